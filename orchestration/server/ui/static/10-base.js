"use strict";
// What all pages share: elements, words for times, requests to the interface, and the state of the server.

const UI = { ready: [] };

UI.make = (tag, attributes = {}, ...children) => {
  const svg = ["svg", "g", "rect", "path", "circle", "text", "line", "use", "title"].includes(tag) || attributes.svg;
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "svg" || value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
};

UI.icon = (type) => UI.make("svg", { "aria-hidden": "true" }, UI.make("use", { href: `#s-${type || "PENDING"}` }));
UI.state = (type, name) =>
  UI.make(
    "span",
    { class: `state ${name === "Late" ? "Late" : type || "PENDING"}` },
    UI.icon(name === "Late" ? "Late" : type),
    name || "No state",
  );
UI.all = (selector, within = document) => [...within.querySelectorAll(selector)];
UI.data = (element) => {
  const script = element && element.querySelector(":scope > script[type='application/json']");
  return script ? JSON.parse(script.textContent) : null;
};

UI.duration = (seconds) => {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "–";
  if (seconds < 1) return `${Math.round(Math.max(0, seconds) * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  let rest = Math.round(seconds);
  const parts = [];
  for (const [size, unit] of [
    [86400, "d"],
    [3600, "h"],
    [60, "m"],
    [1, "s"],
  ]) {
    const number = Math.floor(rest / size);
    rest %= size;
    if (number || parts.length) parts.push(number ? `${number}${unit}` : "");
  }
  return parts.slice(0, 2).filter(Boolean).join(" ");
};

const sameDay = (one, other) => one.toDateString() === other.toDateString();
const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
UI.when = (moment, brief = false) => {
  const at = new Date(moment),
    now = new Date();
  if (Number.isNaN(at.getTime())) return "–";
  if (brief) return at.toLocaleTimeString([], clock);
  if (sameDay(at, now)) return `today ${at.toLocaleTimeString([], clock)}`;
  const day = { day: "numeric", month: "short", ...(at.getFullYear() === now.getFullYear() ? {} : { year: "numeric" }) };
  return `${at.toLocaleDateString("en-GB", day)} ${at.toLocaleTimeString([], { ...clock, second: undefined })}`;
};
UI.utc = (moment) => `${new Date(moment).toISOString().slice(0, 19).replace("T", " ")} UTC`;
UI.ago = (moment) => {
  const seconds = (Date.now() - new Date(moment)) / 1000;
  const [size, unit] = [
    [86400, "d"],
    [3600, "h"],
    [60, "min"],
    [1, "s"],
  ].find(([each]) => Math.abs(seconds) >= each) || [1, "s"];
  const number = Math.round(Math.abs(seconds) / size);
  return seconds < 0 ? `in ${number} ${unit}` : `${number} ${unit} ago`;
};
UI.times = (within = document) => {
  for (const each of UI.all("time[datetime]", within)) {
    const moment = each.getAttribute("datetime");
    each.textContent = each.hasAttribute("data-ago") ? UI.ago(moment) : UI.when(moment);
    each.title = UI.utc(moment);
  }
};
const ticking = () => {
  for (const each of UI.all("[data-took='RUNNING']"))
    each.textContent = UI.duration((Date.now() - new Date(each.dataset.start)) / 1000);
  for (const each of UI.all("time[data-ago]")) each.textContent = UI.ago(each.getAttribute("datetime"));
};

// -- requests ---------------------------------------------------------------------------------------------------------

UI.ask = async (method, url, body) => {
  const token = (document.querySelector("meta[name='csrf']") || {}).content;
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (token) [headers["Prefect-Csrf-Client"], headers["Prefect-Csrf-Token"]] = token.split(" ");
  const answer = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await answer.text();
  let said = text;
  try {
    said = JSON.parse(text);
  } catch {
    /* no JSON */
  }
  if (!answer.ok)
    throw Object.assign(
      new Error((said && said.detail) || (answer.status === 401 ? "Log in again." : `The server answered ${answer.status}.`)),
      { isGone: answer.status === 404 },
    );
  if (said && ["REJECT", "ABORT", "WAIT"].includes(said.status))
    throw new Error(said.details.reason || "The server did not accept that.");
  return said;
};

UI.tell = (text, kind = "") => {
  const banner = document.getElementById("banner");
  banner.replaceChildren(...(typeof text === "string" ? [text] : text));
  if (kind !== "gone")
    banner.append(
      UI.make(
        "button",
        {
          type: "button",
          class: "quiet",
          onclick: () => {
            banner.hidden = true;
          },
        },
        "Close",
      ),
    );
  banner.dataset.kind = kind;
  banner.hidden = false;
};

UI.sure = (question) =>
  new Promise((resolve) => {
    const dialog = document.getElementById("sure");
    dialog.querySelector("p").textContent = question;
    dialog.returnValue = "";
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.showModal();
  });

UI.go = (then, answer) => {
  if (then === "stay") return;
  if (then) location.href = then.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent((answer || {})[name] ?? ""));
  else UI.refresh(true);
};

// Browsers lend the clipboard to safe origins alone; elsewhere a field that nobody sees is copied from.
UI.copied = async (text) => {
  if (navigator.clipboard) {
    return navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    );
  }
  const field = UI.make("textarea", { class: "sr", readonly: true }),
    before = document.activeElement;
  field.value = text;
  document.body.append(field);
  field.select();
  const isDone = document.execCommand("copy");
  field.remove();
  if (before) before.focus();
  return isDone;
};

document.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    copy.textContent = (await UI.copied(copy.dataset.copy)) ? "Copied" : "Select it";
    setTimeout(() => {
      copy.textContent = "Copy";
    }, 1500);
  }
  const button = event.target.closest("button[data-url]");
  if (!button || button.ariaBusy) return;
  if (button.dataset.sure && !(await UI.sure(button.dataset.sure))) return;
  button.ariaBusy = "true"; // a button that is disabled would lose the focus
  try {
    const body = button.dataset.body ? JSON.parse(button.dataset.body) : undefined;
    UI.go(button.dataset.then, await UI.ask(button.dataset.method, button.dataset.url, body));
  } catch (error) {
    UI.tell(error.message);
  }
  button.ariaBusy = null;
});

// -- which tables' figures the dashboard shows: those that a variable names, and without it those called metrics ---------

const PINNED = "/api/variables/name/pinned_artifacts";
const pinned = async () => {
  try {
    return (await UI.ask("GET", PINNED)).value;
  } catch (error) {
    if (!error.isGone) throw error;
  }
  const where = { key: { like_: "-metrics" }, type: { any_: ["table"] } };
  const found = await UI.ask("POST", "/api/artifacts/latest/filter", { artifacts: where, limit: 4 });
  await UI.ask("POST", "/api/variables/", { name: "pinned_artifacts", value: found.map((each) => each.key) });
  return found.map((each) => each.key);
};
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-pin]");
  if (!button) return;
  try {
    const key = button.dataset.pin,
      before = [await pinned()].flat(),
      isThere = before.includes(key);
    await UI.ask("PATCH", PINNED, { value: isThere ? before.filter((each) => each !== key) : [...before, key] });
    UI.tell(isThere ? "The dashboard shows it no more. " : "The dashboard shows it now. ");
    button.textContent = isThere ? "Pin to the dashboard" : "Unpin from the dashboard";
  } catch (error) {
    UI.tell(error.message);
  }
});

// -- the server goes and comes back -----------------------------------------------------------------------------------

let isGone = false;
const START = "orchestrate server start";
const lookAtServer = async () => {
  let lives = false;
  try {
    lives = (await fetch("/api/health", { cache: "no-store" })).ok;
  } catch {
    /* it is gone */
  }
  if (!lives && !isGone) {
    UI.tell(
      [
        UI.make("b", {}, "The server does not answer."),
        "This page goes on by itself once it does:",
        UI.make("code", {}, START),
        UI.make("button", { type: "button", class: "quiet", "data-copy": START }, "Copy"),
      ],
      "gone",
    );
  } else if (lives && isGone) {
    document.getElementById("banner").hidden = true;
    if (!UI.isBusy()) location.reload();
  }
  isGone = !lives;
  setTimeout(lookAtServer, isGone ? 1500 : 6000);
};
setTimeout(lookAtServer, 4000);

UI.isBusy = () =>
  document.querySelector("dialog[open], form[data-dirty], input:checked[name='run']") !== null ||
  ["INPUT", "TEXTAREA", "SELECT"].includes((document.activeElement || {}).tagName);

// -- pages that stay fresh --------------------------------------------------------------------------------------------

// Where the focus is, so that what takes the place of its element gets it too.
const REACHED = "a[href], button, input, select, textarea, summary, [tabindex]";
const saidOf = (element) => element.getAttribute("href") || element.getAttribute("aria-label") || element.textContent;
const focused = (main) => {
  const active = document.activeElement;
  return active !== main && main.contains(active) ? [saidOf(active), UI.all(REACHED, main).indexOf(active)] : null;
};
const focusAgain = (main, [said, place]) => {
  const every = UI.all(REACHED, main),
    again = every.find((each) => saidOf(each) === said) || every[place];
  if (again) again.focus({ preventScroll: true });
};

UI.refresh = async (now = false) => {
  if (!now && (UI.isBusy() || document.hidden || isGone || document.querySelector(".tip"))) return;
  if (document.querySelector("[data-run]")) {
    location.reload();
    return;
  }
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.redirected) location.reload();
    if (!answer.ok || answer.redirected) return;
    const found = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main"),
      main = document.querySelector("main");
    const spot = focused(main),
      open = UI.all("details", main).map((each) => each.open),
      scrolled = UI.all(".logs", main).map((each) => each.scrollTop);
    main.replaceChildren(...found.childNodes);
    if (!found.dataset.refresh) delete main.dataset.refresh;
    document.title = found.ownerDocument.title;
    UI.all("details", main).forEach((each, place) => (each.open = open[place] ?? each.open));
    UI.start();
    UI.all(".logs", main).forEach((each, place) => (each.scrollTop = scrolled[place] || 0));
    if (spot) focusAgain(main, spot);
  } catch {
    /* the look at the server tells it */
  }
};

// -- tabs, filters, choosing ------------------------------------------------------------------------------------------

UI.show = (tab) => {
  for (const each of UI.all("[role='tab']", tab.closest("[role='tablist']"))) {
    const is = each === tab;
    each.setAttribute("aria-selected", is);
    each.tabIndex = is ? 0 : -1;
    document.getElementById(each.getAttribute("aria-controls")).hidden = !is;
  }
};
document.addEventListener("click", (event) => {
  const tab = event.target.closest("[role='tab']");
  if (!tab) return;
  UI.show(tab);
  history.replaceState(null, "", `#${tab.getAttribute("aria-controls")}`);
});
document.addEventListener("keydown", (event) => {
  const tab = event.target.closest && event.target.closest("[role='tab']");
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!tab || !step) return;
  const every = UI.all("[role='tab']", tab.parentElement);
  const next = every[(every.indexOf(tab) + step + every.length) % every.length];
  next.focus();
  UI.show(next);
});
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-auto]");
  if (form) applyFilters(form);
  if (event.target.matches("[data-check-all]")) {
    UI.all("input[name='run']", event.target.form).forEach((each) => {
      each.checked = event.target.checked;
    });
  }
  if (event.target.closest("form[data-runs]")) chosen();
});
document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-auto]");
  if (!form) return;
  event.preventDefault();
  applyFilters(form);
});
const applyFilters = (form) => {
  const given = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
  location.search = given.toString();
};
const chosen = () => {
  const number = UI.all("form[data-runs] input[name='run']:checked").length;
  const bulk = document.querySelector("[data-bulk]");
  if (!bulk) return;
  bulk.hidden = !number;
  bulk.querySelector("[data-chosen]").textContent = number;
};
const BULK = {
  retry: ["POST", "/set_state", { state: { type: "SCHEDULED", name: "AwaitingRetry", message: "Retried on the page of runs." } }],
  cancel: ["POST", "/set_state", { state: { type: "CANCELLING", message: "Cancelled on the page of runs." } }],
  delete: ["DELETE", "", undefined],
};
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-bulk] [data-do]");
  if (!button) return;
  const boxes = UI.all("form[data-runs] input[name='run']:checked"),
    what = button.dataset.do;
  if (what === "none") {
    boxes.forEach((each) => {
      each.checked = false;
    });
    chosen();
    return;
  }
  if (!(await UI.sure(`${what[0].toUpperCase()}${what.slice(1)} ${boxes.length} ${boxes.length === 1 ? "run" : "runs"}?`))) return;
  const problems = [];
  for (const box of boxes) {
    let [method, end, body] = BULK[what];
    if (what === "retry" && !("deployed" in box.dataset)) {
      problems.push("a run without a deployment starts again when its script does.");
      continue;
    }
    if (what === "cancel" && (box.dataset.state === "SCHEDULED" || !("deployed" in box.dataset)))
      body = { state: { ...body.state, type: "CANCELLED" } };
    try {
      await UI.ask(method, `/api/flow_runs/${box.value}${end}`, body);
    } catch (error) {
      problems.push(error.message);
    }
    box.checked = false;
  }
  await UI.refresh(true);
  if (problems.length) UI.tell(`${problems.length} of ${boxes.length} were left as they are: ${problems[0]}`);
  chosen();
});

UI.start = () => {
  UI.times();
  for (const each of UI.all("[data-json]")) {
    const found = UI.data(each);
    if (found !== null) each.replaceChildren(JSON.stringify(found, null, 2));
  }
  for (const each of UI.ready) each();
  const tab = location.hash && document.querySelector(`[role='tab'][aria-controls='${CSS.escape(location.hash.slice(1))}']`);
  if (tab) UI.show(tab);
  chosen();
};
document.addEventListener("DOMContentLoaded", () => {
  UI.start();
  setInterval(ticking, 1000);
  const seconds = Number((document.querySelector("main[data-refresh]") || { dataset: {} }).dataset.refresh);
  if (seconds) setInterval(() => document.querySelector("main[data-refresh]") && UI.refresh(), seconds * 1000);
  const nav = document.querySelector(".side nav"),
    here = nav && nav.querySelector("[aria-current]");
  if (here) nav.scrollLeft = here.offsetLeft - nav.clientWidth / 3;
});
