"use strict";
// The page of a run: its timeline, its dependency graph, its task runs and its log, live as long as it runs.
{
  const HEIGHT = 26,
    MANY = 200,
    MOST_LINES = 20000;
  const STEPS = [0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400];
  const ENDED = ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"],
    WORST = ["FAILED", "CRASHED", "RUNNING", "PENDING", "CANCELLED", "COMPLETED"];
  let run, panel, box, nodes, open, nested, view, seen, drawn;

  const time = (moment) => (moment ? +new Date(moment) : null);
  const node = ([id, label, type, name, start, end, expected, parents, child]) => ({
    id,
    label,
    type,
    name,
    start: time(start),
    end: time(end),
    expected: time(expected),
    parents,
    child,
  });
  const nameOf = (label) => label.replace(/-[^-]+$/, "");
  const bounds = () => {
    const every = [...nodes.values()].filter((each) => each.start);
    const begin =
      time(run.start_time) || Math.min(time(run.expected_start_time) || Date.now(), ...every.map((each) => each.start).slice(0, 1));
    const ends = every.reduce((most, each) => Math.max(most, each.end || 0), 0);
    const end = ENDED.includes(run.state_type) ? Math.max(time(run.end_time) || 0, ends) : Date.now();
    return [begin, Math.max(end, begin + 50)];
  };

  // -- rows -----------------------------------------------------------------------------------------------------------

  const sorted = (some) =>
    [...some].sort((one, other) => (one.start || one.expected || Infinity) - (other.start || other.expected || Infinity));
  const groups = (every) => {
    const found = new Map();
    for (const each of every) {
      const name = nameOf(each.label);
      if (!found.has(name)) found.set(name, []);
      found.get(name).push(each);
    }
    return [...found].map(([name, members]) => ({ name, members }));
  };
  const rowsOf = (some, depth) => {
    const every = sorted(some),
      rows = [];
    const add = (each, level) => {
      rows.push({ depth: level, each });
      if (each.child && open.has(each.id) && nested.has(each.child)) rows.push(...rowsOf(nested.get(each.child).values(), level + 1));
    };
    if (every.length <= MANY) {
      every.forEach((each) => add(each, depth));
      return rows;
    }
    for (const group of groups(every)) {
      if (group.members.length === 1) {
        add(group.members[0], depth);
        continue;
      }
      rows.push({ depth, group });
      if (open.has(`group ${group.name}`)) group.members.forEach((each) => add(each, depth + 1));
    }
    return rows;
  };

  const toggle = async (key, child) => {
    if (open.has(key)) open.delete(key);
    else open.add(key);
    if (child && open.has(key) && !nested.has(child)) {
      const told = await UI.ask("GET", `/runs/flow-run/${child}/news`);
      nested.set(child, new Map(told.nodes.map((each) => [each[0], node(each)])));
    }
    draw();
  };

  const opener = (key, child, label) =>
    UI.make(
      "button",
      {
        type: "button",
        "aria-expanded": String(open.has(key)),
        "aria-label": `${open.has(key) ? "Fold" : "Unfold"} ${label}`,
        "data-key": key,
        onclick: () => toggle(key, child),
      },
      open.has(key) ? "▾" : "▸",
    );

  const bar = (each, begin, span) => {
    if (!each.start) return [UI.make("span", { class: "took" }, each.name || "")];
    const end = each.end || (ENDED.includes(each.type) ? each.start : Date.now());
    const left = ((each.start - begin) / span) * 100,
      width = Math.max(0, ((end - each.start) / span) * 100);
    const took = UI.duration((end - each.start) / 1000);
    const made = UI.make("button", {
      type: "button",
      class: `bar ${each.type}${each.child ? " flow" : ""}`,
      title: `${each.label}: ${each.name}, ${took}. Click for its log lines.`,
      "aria-label": `Log lines of ${each.label}, ${each.name}, ${took}`,
      onclick: () => onlyTask(each),
    });
    made.style.cssText = `left:${left}%;width:${width}%;min-height:16px;padding:0;border:0`;
    const text = UI.make("span", { class: "took" }, took);
    if (left + width > 82) {
      text.style.right = `${100 - left}%`;
      text.style.paddingRight = "6px";
    } else text.style.left = `${left + width}%`;
    return [made, text];
  };
  const marksOf = (id, begin, span) =>
    run.marks
      .filter((mark) => mark[0] === id && mark[1] !== "result")
      .map(([, type, key, artifact, created]) => {
        const made = UI.make("a", {
          class: "mark-a plain",
          href: `/artifacts/artifact/${artifact}`,
          title: `Artifact ${key || type}`,
          "aria-label": `Artifact ${key || type}`,
        });
        made.style.left = `${Math.min(100, Math.max(0, ((time(created) - begin) / span) * 100))}%`;
        return made;
      });
  const worst = (members) => WORST.find((type) => members.some((each) => each.type === type)) || "PENDING";

  const rowFor = (row, place, begin, span) => {
    const who = UI.make("div", { class: "who" }),
      lane = UI.make("div", { class: "lane" });
    const made = UI.make("div", { class: "trow" }, who, lane);
    made.style.top = `${place * HEIGHT}px`;
    who.style.paddingLeft = `${24 + row.depth * 16}px`;
    if (row.group) {
      const { name, members } = row.group,
        type = worst(members),
        started = members.filter((each) => each.start);
      who.classList.add(type);
      who.append(
        opener(`group ${name}`, null, name),
        UI.icon(type),
        UI.make("span", { class: "cut", title: name }, `${name} × ${members.length.toLocaleString("en")}`),
      );
      if (started.length) {
        const first = started.reduce((least, each) => Math.min(least, each.start), Infinity),
          last = started.reduce((most, each) => Math.max(most, each.end || Date.now()), 0);
        const whole = UI.make("span", { class: `bar group ${type}` });
        whole.style.cssText = `left:${((first - begin) / span) * 100}%;width:${((last - first) / span) * 100}%`;
        const failed = members.filter((each) => each.type === "FAILED" || each.type === "CRASHED").length;
        lane.append(
          whole,
          UI.make(
            "span",
            { class: "took" },
            `${UI.duration((last - first) / 1000)}${failed ? `, ${failed.toLocaleString("en")} failed` : ""}`,
          ),
        );
      }
      return made;
    }
    const each = row.each;
    who.classList.add(each.type || "PENDING");
    if (row.related) made.classList.add("is-related");
    if (each.child) who.append(opener(each.id, each.child, each.label));
    who.append(
      UI.icon(each.type),
      UI.make(
        "a",
        { class: "cut plain", href: each.child ? `/runs/flow-run/${each.child}` : `/runs/task-run/${each.id}`, title: each.label },
        each.label,
      ),
    );
    lane.append(...bar(each, begin, span), ...marksOf(each.id, begin, span));
    return made;
  };

  const drawTimeline = () => {
    const [begin, end] = bounds(),
      span = end - begin,
      rows = rowsOf(nodes.values(), 0);
    if (!rows.length) {
      drawEmpty();
      return;
    }
    const lone = run.marks.filter((mark) => !mark[0] && mark[1] !== "result");
    const ruler = UI.make("div", { class: "ruler" });
    const ticks = panel.clientWidth < 500 ? 3 : 6;
    const step = STEPS.find((each) => each * ticks * 1000 >= span) || span / ticks / 1000;
    for (let at = 0; at * 1000 < span * 0.96; at += step) {
      const tick = UI.make(
        "span",
        {},
        at ? `+${at < 10 && step < 1 ? `${at.toFixed(2)} s` : UI.duration(at).replace(".0 s", "s")}` : UI.when(begin, true),
      );
      tick.style.left = `${((at * 1000) / span) * 100}%`;
      ruler.append(tick);
    }
    if (lone.length) ruler.append(...marksOf(null, begin, span));
    const inner = UI.make("div"),
      frame = UI.make("div", { class: "rowsbox", tabindex: "0", role: "group", "aria-label": "Task runs over time" }, inner);
    inner.style.height = `${rows.length * HEIGHT + 6}px`;
    inner.style.position = "relative";
    const before = box.querySelector(".rowsbox"),
      top = before ? before.scrollTop : 0,
      key = document.activeElement && document.activeElement.dataset.key;
    frame.style.height = `${Math.min(520, rows.length * HEIGHT + 7)}px`;
    box.replaceChildren(UI.make("div", { class: "timeline" }, ruler, frame));
    const show = () => {
      const from = Math.max(0, Math.floor(frame.scrollTop / HEIGHT) - 8),
        to = Math.min(rows.length, from + Math.ceil(frame.clientHeight / HEIGHT) + 16);
      inner.replaceChildren(...rows.slice(from, to).map((row, place) => rowFor(row, from + place, begin, span)));
    };
    frame.scrollTop = top;
    frame.addEventListener("scroll", () => requestAnimationFrame(show), { passive: true });
    show();
    if (key) {
      const again = inner.querySelector(`[data-key="${CSS.escape(key)}"]`);
      if (again) again.focus();
    }
  };

  const drawEmpty = () => {
    const why = ENDED.includes(run.state_type)
      ? ["No task run", "The flow called no task; what it logged is below."]
      : ["Nothing yet", "Task runs appear here as they start."];
    box.replaceChildren(UI.make("div", { class: "empty" }, UI.make("b", {}, why[0]), UI.make("span", {}, why[1])));
  };

  // -- the graph of dependencies: levels from left to right ------------------------------------------------------------

  const drawGraph = () => {
    let every = sorted(nodes.values());
    if (!every.length) {
      drawEmpty();
      return;
    }
    let keyOf = (each) => each.id,
      members = null;
    if (every.length > MANY) {
      keyOf = (each) => nameOf(each.label);
      members = new Map(groups(every).map((group) => [group.name, group.members]));
    }
    const byId = new Map(every.map((each) => [each.id, each])),
      shown = new Map();
    for (const each of every) {
      const key = keyOf(each);
      if (!shown.has(key)) shown.set(key, { key, each, from: new Set(), level: 0 });
      for (const parent of each.parents)
        if (byId.has(parent) && keyOf(byId.get(parent)) !== key) shown.get(key).from.add(keyOf(byId.get(parent)));
    }
    for (let round = 0, moved = true; moved && round < shown.size; round += 1) {
      moved = false;
      for (const it of shown.values())
        for (const from of it.from) {
          const level = (shown.get(from) || it).level + 1;
          if (shown.has(from) && it.level < level && level <= shown.size) {
            it.level = level;
            moved = true;
          }
        }
    }
    const levels = [];
    for (const it of shown.values()) (levels[it.level] = levels[it.level] || []).push(it);
    const [wide, high, gapX, gapY] = [190, 42, 60, 14];
    levels.forEach((level, column) =>
      level.forEach((it, place) => {
        it.x = 16 + column * (wide + gapX);
        it.y = 16 + place * (high + gapY);
      }),
    );
    const width = 32 + levels.length * (wide + gapX) - gapX,
      height = 32 + Math.max(...levels.filter(Boolean).map((level) => level.length)) * (high + gapY);
    const edges = [],
      marks = [];
    for (const it of shown.values()) {
      for (const from of it.from) {
        const start = shown.get(from),
          [x1, y1, x2, y2] = [start.x + wide, start.y + high / 2, it.x, it.y + high / 2];
        edges.push(UI.make("path", { d: `M${x1} ${y1}C${x1 + gapX / 2} ${y1} ${x2 - gapX / 2} ${y2} ${x2} ${y2}` }));
      }
      const some = members && members.get(it.key),
        type = some ? worst(some) : it.each.type || "PENDING";
      const label = some && some.length > 1 ? `${it.key} × ${some.length}` : it.each.label,
        short = label.length > 23 ? `${label.slice(0, 22)}…` : label;
      const took = it.each.start && it.each.end ? UI.duration((it.each.end - it.each.start) / 1000) : "";
      const link = UI.make("a", {
        svg: true,
        class: `node ${type}`,
        href: it.each.child ? `/runs/flow-run/${it.each.child}` : `/runs/task-run/${it.each.id}`,
      });
      link.append(
        UI.make("title", {}, label),
        UI.make("rect", { x: it.x, y: it.y, width: wide, height: high, rx: 7 }),
        UI.make("use", { href: `#s-${type}`, x: it.x + 10, y: it.y + 7, width: 13, height: 13, class: `state ${type}` }),
        UI.make("text", { x: it.x + 30, y: it.y + 18 }, short),
        UI.make(
          "text",
          { x: it.x + 30, y: it.y + 33, class: "small" },
          some && some.length > 1 ? type.toLowerCase() : `${it.each.name || ""} ${took}`,
        ),
      );
      if (some && some.length > 1) link.onclick = (event) => unfold(event, it.key);
      marks.push(link);
    }
    box.replaceChildren(
      UI.make(
        "div",
        { class: "graph", tabindex: "0", role: "group", "aria-label": "Which task run waited for which" },
        UI.make("svg", { width, height, viewBox: `0 0 ${width} ${height}` }, ...edges, ...marks),
      ),
    );
  };

  // A group of the graph leads to its task runs on the timeline.
  const unfold = (event, name) => {
    event.preventDefault();
    open.add(`group ${name}`);
    panel.querySelector("[data-view='timeline']").click();
    box.querySelector(`[data-key="${CSS.escape(`group ${name}`)}"]`)?.focus();
  };

  const draw = () => (view === "graph" ? drawGraph() : drawTimeline());

  const drawTable = (most = 100) => {
    const place = document.querySelector("[data-task-table]"),
      every = sorted(nodes.values());
    if (!place) return;
    if (!every.length) {
      place.replaceChildren(
        UI.make(
          "div",
          { class: "empty" },
          UI.make("b", {}, "No task run"),
          UI.make("span", {}, "Functions with @task that the flow calls are listed here."),
        ),
      );
      return;
    }
    const body = UI.make(
      "tbody",
      {},
      ...every
        .slice(0, most)
        .map((each) =>
          UI.make(
            "tr",
            {},
            UI.make(
              "td",
              {},
              UI.make(
                "a",
                { class: "name", href: each.child ? `/runs/flow-run/${each.child}` : `/runs/task-run/${each.id}` },
                each.label,
              ),
            ),
            UI.make("td", {}, UI.state(each.type, each.name)),
            UI.make("td", { class: "num" }, each.start ? UI.when(each.start) : "–"),
            UI.make("td", { class: "num" }, each.start ? UI.duration(((each.end || Date.now()) - each.start) / 1000) : "–"),
          ),
        ),
    );
    const heads = UI.make(
      "thead",
      {},
      UI.make(
        "tr",
        {},
        UI.make("th", {}, "Task run"),
        UI.make("th", {}, "State"),
        UI.make("th", { class: "num" }, "Started"),
        UI.make("th", { class: "num" }, "Took"),
      ),
    );
    place.replaceChildren(UI.make("div", { class: "scroll" }, UI.make("table", {}, heads, body)));
    if (every.length > most)
      place.append(
        UI.make(
          "div",
          { class: "empty" },
          UI.make(
            "button",
            { type: "button", onclick: () => drawTable(most + 500) },
            `Show more of ${every.length.toLocaleString("en")}`,
          ),
        ),
      );
  };

  // -- the log --------------------------------------------------------------------------------------------------------

  const NAMES = { 10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL" };
  const log = { lines: [], level: 0, search: "", task: null, more: true, later: false };
  const wanted = ([, , level, message, task]) =>
    level >= log.level && (!log.task || log.task.id === task) && message.toLowerCase().includes(log.search.toLowerCase());
  const marked = (text) => {
    const at = log.search ? text.toLowerCase().indexOf(log.search.toLowerCase()) : -1;
    return at < 0
      ? [text]
      : [text.slice(0, at), UI.make("mark", {}, text.slice(at, at + log.search.length)), text.slice(at + log.search.length)];
  };
  const drawnLine = ([sequence, moment, level, message, task]) =>
    UI.make(
      "div",
      { "data-line": sequence },
      UI.make("time", { title: UI.utc(moment) }, UI.when(moment, true)),
      UI.make("span", { class: `lv lv${Math.floor(level / 10) * 10}` }, NAMES[Math.floor(level / 10) * 10] || level),
      UI.make("span", { class: "msg" }, nodes.has(task) ? UI.make("b", {}, `${nodes.get(task).label} `) : "", ...marked(message)),
    );
  const logBox = () => document.querySelector("[data-logs]");
  const drawLogs = () => {
    const place = logBox(),
      found = log.lines.filter(wanted);
    const more = (text, onclick) => UI.make("div", {}, UI.make("button", { type: "button", class: "quiet", onclick }, text));
    const older = log.more ? [more("Earlier lines", earlier)] : [],
      newer = log.later ? [more("Later lines", later)] : [];
    if (!found.length) {
      const narrowed = log.level || log.search || log.task;
      place.replaceChildren(
        UI.make(
          "div",
          { class: "empty" },
          UI.make("b", {}, narrowed ? "No such line" : "Nothing was logged"),
          narrowed ? "" : UI.make("span", {}, "A flow logs through get_run_logger(), or print with log_prints=True."),
        ),
      );
      return;
    }
    place.replaceChildren(...older, ...found.map(drawnLine), ...newer);
  };
  const append = (lines) => {
    if (!lines.length || log.later) return; // who reads further up asks for them
    const place = logBox(),
      atEnd = place.scrollHeight - place.scrollTop - place.clientHeight < 60;
    const isEmpty = !log.lines.some(wanted);
    log.lines.push(...lines);
    if (log.lines.length > MOST_LINES) {
      log.lines.splice(0, log.lines.length - MOST_LINES);
      log.more = true;
    }
    if (isEmpty) drawLogs();
    else place.append(...lines.filter(wanted).map(drawnLine));
    if (atEnd) place.scrollTop = place.scrollHeight;
  };
  const asked = async (extra, sort, limit = 200) => {
    const where = { flow_run_id: { any_: [run.id] }, ...extra };
    if (log.task) where.task_run_id = { any_: [log.task.id] };
    if (log.level) where.level = { ge_: log.level };
    if (log.search) where.text = { query: `"${log.search.replaceAll('"', " ").slice(0, 190)}"` };
    const found = await UI.ask("POST", "/api/logs/filter", { logs: where, sort, limit });
    return found.map((each) => [
      Number(BigInt(`0x${each.id.replaceAll("-", "")}`)),
      each.timestamp,
      each.level,
      each.message.slice(0, 3000),
      each.task_run_id,
    ]);
  };
  const narrow = async () => {
    document.querySelector("[data-task-only]").hidden = !log.task;
    try {
      const found = await asked({}, "TIMESTAMP_DESC");
      Object.assign(log, { lines: found.reverse(), more: found.length === 200, later: false });
      drawLogs();
      logBox().scrollTop = logBox().scrollHeight;
    } catch (error) {
      UI.tell(error.message);
    }
  };
  const earlier = async () => {
    const first = log.lines[0],
      found = await asked({ timestamp: { before_: first[1] } }, "TIMESTAMP_DESC");
    const known = new Set(log.lines.map((each) => each[0])),
      more = found.filter((each) => !known.has(each[0])).reverse();
    log.more = found.length === 200 && more.length > 0;
    const place = logBox(),
      height = place.scrollHeight;
    log.lines = [...more, ...log.lines];
    drawLogs();
    place.scrollTop = place.scrollHeight - height;
  };
  const later = async () => {
    const last = log.lines[log.lines.length - 1],
      found = await asked({ timestamp: { after_: last[1] } }, "TIMESTAMP_ASC");
    const known = new Set(log.lines.map((each) => each[0])),
      more = found.filter((each) => !known.has(each[0]));
    log.later = found.length === 200 && more.length > 0;
    log.lines.push(...more);
    const place = logBox(),
      top = place.scrollTop;
    drawLogs();
    place.scrollTop = top;
  };
  const jumpToStart = async () => {
    const found = await asked({}, "TIMESTAMP_ASC");
    Object.assign(log, { lines: found, more: false, later: found.length === 200 });
    drawLogs();
    logBox().scrollTop = 0;
  };
  const onlyTask = (each) => {
    log.task = each;
    const button = document.querySelector("[data-task-only]");
    button.textContent = `Only ${each.label} ✕`;
    UI.show(document.getElementById("tab-logs"));
    narrow();
    document.getElementById("logs").scrollIntoView({ block: "nearest" });
  };
  const jumpToError = async () => {
    const [level, search] = [log.level, log.search];
    Object.assign(log, { level: 40, search: "" });
    const [first] = await asked({}, "TIMESTAMP_ASC", 1);
    Object.assign(log, { level, search });
    if (!first) {
      UI.tell("No error was logged.");
      return;
    }
    if (!log.lines.some((each) => each[0] === first[0])) {
      const found = await asked({ timestamp: { after_: first[1] } }, "TIMESTAMP_ASC");
      Object.assign(log, { lines: found, more: true, later: found.length === 200 });
      drawLogs();
    }
    const line = logBox().querySelector(`[data-line="${first[0]}"]`);
    if (line) logBox().scrollTop = line.offsetTop - logBox().offsetTop - 40;
  };

  // -- live -----------------------------------------------------------------------------------------------------------

  const swap = async () => {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const found = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const selector of [".head", ".facts", "[data-why]", "#states", "#artifacts", "#result", "#details"]) {
      const [here, there] = [document.querySelector(selector), found.querySelector(selector)];
      if (!here || !there) continue;
      const hidden = here.hidden;
      here.replaceChildren(...there.childNodes);
      here.hidden = hidden;
      UI.times(here);
    }
    for (const tab of UI.all("[role=tab]")) {
      const there = found.getElementById(tab.id);
      if (there) tab.replaceChildren(...there.childNodes);
    }
    document.title = found.title;
    const told = UI.data(found.querySelector("[data-run]"));
    if (told) run.marks = told.marks;
    for (const each of UI.all("#result [data-json]")) {
      const value = UI.data(each);
      if (value !== null) each.replaceChildren(JSON.stringify(value, null, 2));
    }
    draw();
  };

  const take = (told) => {
    const before = run.state_type;
    Object.assign(run, { start_time: told.start, end_time: told.end, state_type: told.state ? told.state.type : run.state_type });
    seen.after = told.last;
    seen.since = told.since;
    for (const each of told.nodes) nodes.set(each[0], node(each));
    append(told.logs);
    if (told.state) {
      const badge = UI.state(told.state.type, told.state.name);
      badge.classList.add("badge");
      document.querySelector("[data-state]").replaceChildren(badge);
    }
    const count = document.querySelector("[data-count]");
    if (count && nodes.size > run.count) count.textContent = nodes.size.toLocaleString("en");
    document.querySelector("[data-live]").hidden = told.ended || run.state_type !== "RUNNING";
    if (told.nodes.length || !told.ended) draw();
    if (told.nodes.length) drawTable();
    if (before !== run.state_type) swap();
    return told.ended && !told.more;
  };
  const follow = () => {
    if (document.hidden) {
      document.addEventListener("visibilitychange", follow, { once: true });
      return;
    }
    const address = (what) => `/runs/flow-run/${run.id}/${what}?after=${seen.after}&since=${encodeURIComponent(seen.since)}`;
    const stream = new EventSource(address("live"));
    const leave = () => {
      stream.close();
      follow();
    }; // browsers have few connections: a page that nobody sees gives its own back
    document.addEventListener("visibilitychange", leave, { once: true });
    stream.onmessage = (event) => {
      if (!take(JSON.parse(event.data))) return;
      stream.close();
      document.removeEventListener("visibilitychange", leave);
    };
    stream.onerror = async () => {
      stream.close();
      document.removeEventListener("visibilitychange", leave);
      try {
        if (take(await UI.ask("GET", address("news")))) return;
        setTimeout(follow, 1000);
      } catch (error) {
        if (!error.isGone) setTimeout(() => stream.onerror(), 2000);
      }
    };
  };
  const rest = async () => {
    while (nodes.size < run.count) {
      const told = await UI.ask("GET", `/runs/flow-run/${run.id}/news?offset=${nodes.size}&after=${Number.MAX_SAFE_INTEGER}`);
      if (!told.nodes.length) break;
      for (const each of told.nodes) nodes.set(each[0], node(each));
      draw();
    }
    drawTable();
  };

  UI.ready.push(() => {
    panel = document.querySelector("[data-run]");
    if (!panel) return;
    run = UI.data(panel);
    box = panel.querySelector("[data-drawing]");
    nodes = new Map(run.nodes.map((each) => [each[0], node(each)]));
    [open, nested, view, seen] = [new Set(), new Map(), "timeline", { after: run.last, since: run.since }];
    log.lines = run.logs;
    log.more = run.logs.length === 200;
    draw();
    drawTable();
    drawLogs();
    logBox().scrollTop = ENDED.includes(run.state_type) && !["FAILED", "CRASHED"].includes(run.state_type) ? 0 : logBox().scrollHeight;
    for (const link of UI.all("[data-view]", panel))
      link.onclick = (event) => {
        event.preventDefault();
        view = link.dataset.view;
        UI.all("[data-view]", panel).forEach((each) =>
          each === link ? each.setAttribute("aria-current", "true") : each.removeAttribute("aria-current"),
        );
        draw();
      };
    document.querySelector("[data-level]").onchange = (event) => {
      log.level = Number(event.target.value);
      narrow();
    };
    let typing = 0;
    document.querySelector("[data-search]").oninput = (event) => {
      clearTimeout(typing);
      typing = setTimeout(() => {
        log.search = event.target.value;
        narrow();
      }, 250);
    };
    document.querySelector("[data-task-only]").onclick = () => {
      log.task = null;
      narrow();
    };
    document.querySelector("[data-jump='start']").onclick = jumpToStart;
    document.querySelector("[data-jump='end']").onclick = () => {
      if (log.later) narrow();
      else logBox().scrollTop = logBox().scrollHeight;
    };
    document.querySelector("[data-jump='first']").onclick = jumpToError;
    if (run.count > nodes.size) rest();
    if (!ENDED.includes(run.state_type)) {
      document.querySelector("[data-live]").hidden = run.state_type !== "RUNNING";
      if (document.readyState === "complete") follow();
      else addEventListener("load", follow);
    }
  });
  addEventListener("resize", () => {
    if (box) {
      clearTimeout(drawn);
      drawn = setTimeout(draw, 150);
    }
  });
  UI.drawLines = (place, lines) => place.replaceChildren(...lines.map(drawnLine));
}
