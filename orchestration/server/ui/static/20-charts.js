"use strict";
// Charts as SVG: bars of states over time, a scatter of durations, and the trend of a figure.
{
  const ORDER = ["COMPLETED", "RUNNING", "PENDING", "SCHEDULED", "PAUSED", "CANCELLING", "CANCELLED", "CRASHED", "FAILED"];
  const said = (type) => type[0] + type.slice(1).toLowerCase();
  const nice = (value) => {
    if (value <= 0) return 1;
    const power = 10 ** Math.floor(Math.log10(value));
    return [1, 2, 5, 10].find((each) => each * power >= value) * power;
  };
  UI.figure = (value) => {
    const size = Math.abs(value);
    return Number.isInteger(value)
      ? value.toLocaleString("en")
      : value.toLocaleString("en", { maximumFractionDigits: size >= 100 ? 1 : size >= 1 ? 2 : 4 });
  };

  // What a mark says when the mouse or the focus is on it.
  UI.tip = (figure, mark, text) => {
    const show = () => {
      hide();
      const tip = UI.make("div", { class: "tip" }, text);
      figure.append(tip);
      const box = mark.getBoundingClientRect(),
        own = figure.getBoundingClientRect();
      const left = Math.min(Math.max(0, box.left - own.left + box.width / 2 - tip.offsetWidth / 2), own.width - tip.offsetWidth);
      tip.style.left = `${left}px`;
      tip.style.top = `${box.top - own.top - tip.offsetHeight - 6}px`;
    };
    const hide = () => UI.all(".tip", figure).forEach((each) => each.remove());
    mark.addEventListener("pointerenter", show);
    mark.addEventListener("pointerleave", hide);
    mark.addEventListener("focus", show);
    mark.addEventListener("blur", hide);
  };

  const axis = (begin, end, width, height) => {
    const text = (moment) => {
      const at = new Date(moment);
      return end - begin > 2 * 86400e3
        ? at.toLocaleDateString("en-GB", { day: "numeric", month: "short" })
        : at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    };
    const number = width < 420 ? 3 : 6,
      marks = [];
    for (let place = 0; place < number; place += 1) {
      const moment = begin + ((end - begin) * place) / (number - 1);
      const anchor = place === 0 ? "start" : place === number - 1 ? "end" : "middle";
      marks.push(UI.make("text", { x: (width * place) / (number - 1), y: height - 2, "text-anchor": anchor }, text(moment)));
    }
    return marks;
  };

  const drawings = {
    bars(figure, rows, width, height) {
      const floor = height - 18;
      const totals = rows.map((row) => row.states.reduce((sum, each) => sum + each.count_runs, 0));
      const most = Math.max(1, ...totals),
        step = width / rows.length,
        marks = [];
      rows.forEach((row, place) => {
        let y = floor;
        const byType = {};
        for (const each of row.states) byType[each.state_type] = (byType[each.state_type] || 0) + each.count_runs;
        const group = UI.make("g");
        for (const type of ORDER.filter((each) => byType[each])) {
          const size = Math.max(2, (byType[type] / most) * (floor - 4));
          y -= size;
          group.append(
            UI.make("rect", {
              class: `mark ${type}`,
              x: place * step + 1,
              y,
              width: Math.max(1, step - 2),
              height: Math.max(1, size - 0.5),
              rx: 1.5,
            }),
          );
        }
        if (!totals[place])
          group.append(
            UI.make("rect", {
              class: "axis-dot",
              x: place * step + 1,
              y: floor - 1,
              width: Math.max(1, step - 2),
              height: 1,
              fill: "currentColor",
              opacity: 0.15,
            }),
          );
        group.append(UI.make("rect", { x: place * step, y: 0, width: step, height: floor, fill: "transparent" }));
        const parts = ORDER.filter((each) => byType[each]).map((type) => `${byType[type]} ${said(type).toLowerCase()}`);
        UI.tip(figure, group, `${UI.when(row.interval_start)} – ${UI.when(row.interval_end, true)}\n${parts.join("\n") || "no run"}`);
        marks.push(group);
      });
      const begin = +new Date(rows[0].interval_start),
        end = +new Date(rows[rows.length - 1].interval_end);
      return [UI.make("line", { class: "axis", x1: 0, x2: width, y1: floor, y2: floor }), ...marks, ...axis(begin, end, width, height)];
    },

    scatter(figure, unsorted, width, height) {
      const points = [...unsorted].sort(([one], [other]) => (one < other ? -1 : 1));
      const floor = height - 18,
        left = 44;
      const times = points.map((each) => +new Date(each[0]));
      const begin = Math.min(...times),
        end = Math.max(...times, begin + 1000);
      const longest = Math.max(...points.map((each) => each[1]), 0.001);
      const isWide = longest / Math.max(0.001, Math.min(...points.map((each) => each[1]))) > 200;
      const up = (seconds) => (isWide ? Math.log1p(seconds * 10) / Math.log1p(longest * 10) : seconds / longest);
      const grid = [1, 0.5].map((part) => {
        const seconds = isWide ? (Math.exp(part * Math.log1p(longest * 10)) - 1) / 10 : longest * part;
        const y = floor - part * (floor - 10);
        return UI.make(
          "g",
          {},
          UI.make("line", { class: "axis", x1: left, x2: width, y1: y, y2: y }),
          UI.make("text", { x: left - 6, y: y + 4, "text-anchor": "end" }, UI.duration(seconds)),
        );
      });
      const marks = points.map(([moment, seconds, type, name, id], place) => {
        const x = left + 5 + ((times[place] - begin) / (end - begin)) * (width - left - 10),
          y = floor - up(seconds) * (floor - 10);
        const link = UI.make("a", {
          svg: true,
          href: `/runs/flow-run/${id}`,
          "aria-label": `${name}, ${said(type)}, ${UI.duration(seconds)}`,
        });
        link.append(
          type === "FAILED" || type === "CRASHED"
            ? UI.make("path", { class: `mark ${type}`, d: `M${x} ${y - 5}l5 9h-10z` })
            : UI.make("circle", { class: `mark ${type}`, cx: x, cy: y, r: 4, "fill-opacity": 0.75 }),
        );
        UI.tip(figure, link, `${name}\n${said(type)} · ${UI.duration(seconds)}\n${UI.when(moment)}`);
        return link;
      });
      const bottom = UI.make("g", { transform: `translate(${left} 0)` }, ...axis(begin, end, width - left, height));
      return [...grid, UI.make("line", { class: "axis", x1: left, x2: width, y1: floor, y2: floor }), ...marks, bottom];
    },

    trend(figure, points, width, height) {
      const isSpark = height < 60,
        left = isSpark ? 3 : 52,
        floor = height - (isSpark ? 4 : 20);
      const values = points.map((each) => each[1]);
      let low = Math.min(...values),
        high = Math.max(...values);
      if (low === high) {
        low -= Math.abs(low) * 0.1 || 1;
        high += Math.abs(high) * 0.1 || 1;
      }
      const step = points.length > 1 ? (width - left - 8) / (points.length - 1) : 0;
      const at = points.map(([, value], place) => [left + place * step, floor - ((value - low) / (high - low)) * (floor - 8)]);
      const parts = [];
      if (!isSpark) {
        for (const part of [0, 0.5, 1]) {
          const y = floor - part * (floor - 8);
          parts.push(
            UI.make("line", { class: "axis", x1: left, x2: width, y1: y, y2: y }),
            UI.make("text", { x: left - 6, y: y + 4, "text-anchor": "end" }, UI.figure(low + (high - low) * part)),
          );
        }
        if (points.length > 1)
          parts.push(
            UI.make("text", { x: left, y: height - 3 }, UI.when(points[0][0])),
            UI.make("text", { x: width, y: height - 3, "text-anchor": "end" }, UI.when(points[points.length - 1][0])),
          );
      }
      parts.push(
        UI.make("path", {
          class: "curve",
          d: at.map(([x, y], place) => `${place ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join(""),
        }),
      );
      at.forEach(([x, y], place) => {
        if (isSpark && place < at.length - 1) return;
        const dot = UI.make("circle", { class: "mark", cx: x, cy: y, r: isSpark ? 3 : 3.5 });
        const link = isSpark
          ? UI.make("g", {}, dot)
          : UI.make(
              "a",
              { svg: true, href: `/artifacts/artifact/${points[place][2]}`, "aria-label": `${UI.figure(values[place])}` },
              dot,
            );
        UI.tip(figure, link, `${UI.figure(values[place])}\n${UI.when(points[place][0])}`);
        parts.push(link);
      });
      return parts;
    },
  };

  UI.draw = (figure, kind, data) => {
    const box = figure.getBoundingClientRect(),
      width = Math.max(80, box.width),
      height = box.height;
    UI.all(":scope > svg", figure).forEach((each) => each.remove());
    if (!data || !data.length) return;
    const drawn = drawings[kind](figure, data, width, height),
      svg = UI.make("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group" }, ...drawn);
    figure.prepend(svg);
    arrows(UI.all("a", svg));
  };

  // A chart is one stop of the Tab key, at its newest mark; arrow keys go from there to the others.
  const arrows = (links) => {
    const stop = (at) => links.forEach((each, place) => each.setAttribute("tabindex", place === at ? 0 : -1));
    stop(links.length - 1);
    links.forEach((each, place) => {
      each.addEventListener("keydown", (event) => {
        const next = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: links.length - 1 }[event.key];
        if (!links[next]) return;
        event.preventDefault();
        stop(next);
        links[next].focus();
      });
    });
  };

  // Each numeric cell of a table, by the text that its row begins with, over its versions, oldest first.
  const rowsOf = (data) => {
    let found = data;
    try {
      found = typeof data === "string" ? JSON.parse(data) : data;
    } catch {
      return [];
    }
    if (found && !Array.isArray(found) && Object.values(found).every(Array.isArray)) {
      const names = Object.keys(found);
      found = (found[names[0]] || []).map((_, place) => Object.fromEntries(names.map((name) => [name, found[name][place]])));
    }
    return Array.isArray(found) ? found : [];
  };
  UI.trends = (versions) => {
    const found = new Map();
    for (const [created, id, data] of [...versions].reverse()) {
      rowsOf(data).forEach((row, number) => {
        const label = Object.values(row).find((value) => typeof value === "string") || `row ${number + 1}`;
        for (const [column, value] of Object.entries(row)) {
          if (typeof value !== "number") continue;
          const key = `${label} · ${column}`;
          if (!found.has(key)) found.set(key, { label, column, points: [] });
          found.get(key).points.push([created, value, id]);
        }
      });
    }
    return [...found.values()];
  };

  const drawPins = (figures) => {
    const every = UI.trends(UI.data(figures) || []),
      shown = every.slice(0, Number(figures.dataset.pins) || every.length);
    UI.all(":scope > div", figures).forEach((each) => each.remove());
    const alone = new Set(every.map((each) => each.column)).size === 1;
    for (const { label, column, points } of shown) {
      const spark = UI.make("figure", { class: "chart-spark", "data-chart": "none" });
      const [first, last] = [points.length > 1 ? points[points.length - 2][1] : null, points[points.length - 1][1]];
      const change = first === null || first === last ? "" : `${last > first ? "▲" : "▼"} ${UI.figure(Math.abs(last - first))}`;
      figures.append(
        UI.make(
          "div",
          {},
          UI.make("span", { class: "muted small" }, alone ? label : `${label} ${column}`),
          UI.make("b", {}, UI.figure(last), " ", UI.make("small", { class: "muted" }, change)),
          spark,
        ),
      );
      UI.draw(spark, "trend", points);
    }
  };
  const drawTrends = (panel) => {
    const every = UI.trends(UI.data(panel) || []),
      choose = panel.querySelector("select"),
      figure = panel.querySelector("figure");
    if (!every.length) {
      panel.hidden = true;
      return;
    }
    choose.replaceChildren(...every.map((each, place) => UI.make("option", { value: place }, `${each.label} · ${each.column}`)));
    const show = () => UI.draw(figure, "trend", every[Number(choose.value)].points);
    choose.onchange = show;
    for (const cell of UI.all("td[data-cell]")) {
      const place = every.findIndex((each) => `${each.label} · ${each.column}` === cell.dataset.cell);
      const button = cell.querySelector("button");
      if (button && place >= 0)
        button.onclick = () => {
          choose.value = place;
          show();
          panel.scrollIntoView({ block: "nearest" });
        };
    }
    show();
  };

  const drawAll = () => {
    for (const figure of UI.all("[data-chart]"))
      if (figure.dataset.chart !== "none") UI.draw(figure, figure.dataset.chart, UI.data(figure));
    UI.all("[data-pins]").forEach(drawPins);
    UI.all("[data-trends]").forEach(drawTrends);
    for (const place of UI.all("[data-totals]")) {
      const totals = {};
      for (const row of UI.data(document.querySelector(place.dataset.totals)) || [])
        for (const each of row.states) totals[each.state_type] = (totals[each.state_type] || 0) + each.count_runs;
      place.replaceChildren(
        ...ORDER.toReversed()
          .filter((type) => totals[type])
          .map((type) =>
            UI.make(
              "a",
              { class: `state plain ${type}`, href: `/runs?state=${type}&span=${place.dataset.span}` },
              UI.icon(type),
              `${totals[type].toLocaleString("en")} ${said(type).toLowerCase()}`,
            ),
          ),
      );
    }
  };
  UI.ready.push(drawAll);
  let waiting = 0;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(drawAll, 150);
  });
}
