"use strict";
// Forms: their fields made of a JSON schema, and what is filled in sent to the interface as JSON.
{
  const DEEPEST = 4;
  // A field's schema with what it refers to, and with the one kind of value that it may have besides null.
  const followed = (said, known) => {
    let whole = { ...said };
    for (let round = 0; round < DEEPEST; round += 1) {
      const others = (whole.anyOf || whole.allOf || []).filter((each) => each.type !== "null");
      if (others.length === 1) {
        const { anyOf, allOf, ...own } = whole;
        whole = { ...others[0], ...own };
      }
      if (!whole.$ref) break;
      const { $ref, ...own } = whole;
      whole = { ...(known[$ref.split("/").pop()] || {}), ...own };
    }
    return whole;
  };
  const slugsOf = (own, known) =>
    own.block_type_slug
      ? [own.block_type_slug]
      : (own.anyOf || own.oneOf || []).map((each) => followed(each, known).block_type_slug).filter(Boolean);
  const kindOf = (own, known, depth) => {
    if (slugsOf(own, known).length) return "block";
    if (own.enum || own.const !== undefined) return "enum";
    if (own.prefixItems) return "tuple";
    if (own.type === "object" && own.properties && depth < DEEPEST) return "object";
    if (own.type === "array" && ["string", "integer", "number"].includes(followed(own.items || {}, known).type)) return "list";
    if (own.type === "string") {
      if (own.writeOnly || own.format === "password") return "secret";
      return { date: "date", "date-time": "datetime", time: "time" }[own.format] || "text";
    }
    return ["integer", "number", "boolean"].includes(own.type) ? own.type : "json";
  };
  const WORDS = {
    integer: "whole number",
    number: "number",
    list: "one a line",
    json: "JSON",
    datetime: "your time zone",
    secret: "secret",
  };

  let counter = 0;
  const field = (name, said, known, value, required, depth, options) => {
    const own = followed(said, known),
      kind = kindOf(own, known, depth),
      id = `f${(counter += 1)}`;
    const label = own.title && own.title !== name ? own.title : name,
      shown = value === undefined ? own.default : value;
    const help =
      (said.description || own.description) && kind !== "object"
        ? UI.make("span", { class: "help", id: `${id}h` }, said.description || own.description)
        : null;
    const about = help ? { "aria-describedby": `${id}h` } : {};
    if (kind === "object" || kind === "tuple") {
      const parts =
        kind === "object"
          ? own.properties
          : Object.fromEntries(own.prefixItems.map((each, place) => [place, { title: `${place + 1}`, ...each }]));
      const inner = Object.entries(parts).map(([part, each]) =>
        field(part, each, known, (shown || {})[part], kind === "tuple" || (own.required || []).includes(part), depth + 1, options),
      );
      const set = UI.make(
        "fieldset",
        { "data-name": name, "data-kind": kind },
        UI.make("legend", {}, label),
        ...inner.map((each) => each.element),
      );
      const read = () => {
        const found = inner.map((each) => [each.name, each.read()]).filter(([, each]) => each !== undefined);
        if (kind === "tuple") return found.length === inner.length ? found.map(([, each]) => each) : undefined;
        return found.length || required ? Object.fromEntries(found) : undefined;
      };
      return { name, element: set, read, changed: () => inner.some((each) => each.changed()) };
    }
    let input, read;
    const text = (attributes, start) => {
      input = UI.make("input", { id, ...about, autocomplete: "off", spellcheck: "false", ...attributes });
      input.value = start ?? "";
    };
    if (kind === "boolean") {
      input = UI.make("input", { id, type: "checkbox", ...about });
      input.checked = shown === true;
      read = () => input.checked;
    } else if (kind === "enum") {
      const choices = own.enum || [own.const];
      input = UI.make(
        "select",
        { id, ...about },
        ...(required ? [] : [UI.make("option", { value: "" }, "–")]),
        ...choices.map((each, place) =>
          UI.make("option", { value: place + 1, selected: JSON.stringify(each) === JSON.stringify(shown) }, String(each)),
        ),
      );
      read = () => (input.value === "" ? undefined : choices[Number(input.value) - 1]);
    } else if (kind === "block") {
      const slugs = slugsOf(own, known),
        held = (shown && shown.$ref && (shown.$ref.block_document_id || shown.$ref)) || options.held[name];
      const blocks = options.blocks.filter((each) => slugs.includes(each.slug));
      input = UI.make(
        "select",
        { id, ...about },
        UI.make("option", { value: "" }, blocks.length ? "–" : `no saved block of type ${slugs.join(" or ")}`),
        ...blocks.map((each) => UI.make("option", { value: each.id, selected: each.id === held }, `${each.slug}/${each.name}`)),
      );
      read = () => (input.value ? { $ref: { block_document_id: input.value } } : undefined);
    } else if (kind === "list") {
      input = UI.make("textarea", { id, rows: 3, ...about });
      input.value = (Array.isArray(shown) ? shown : []).join("\n");
      const isNumber = followed(own.items, known).type !== "string";
      read = () => {
        const lines = input.value
          .split("\n")
          .map((each) => each.trim())
          .filter(Boolean);
        if (isNumber && lines.some((each) => Number.isNaN(Number(each)))) throw [input, `${label} takes numbers, one a line.`];
        return lines.length || required || Array.isArray(value) ? lines.map((each) => (isNumber ? Number(each) : each)) : undefined;
      };
    } else if (kind === "json") {
      input = UI.make("textarea", { id, rows: 3, ...about });
      input.value = shown === undefined || shown === null ? "" : JSON.stringify(shown, null, 2);
      read = () => {
        if (!input.value.trim()) return undefined;
        try {
          return JSON.parse(input.value);
        } catch {
          throw [input, `${label} is not JSON; text stands in quotes, such as "text".`];
        }
      };
    } else if (kind === "datetime") {
      const at = shown ? new Date(shown) : null;
      text({ type: "datetime-local", step: 1 }, at ? new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 19) : "");
      read = () => (input.value ? new Date(input.value).toISOString() : undefined);
    } else if (kind === "integer" || kind === "number") {
      text({ type: "text", inputmode: kind === "integer" ? "numeric" : "decimal" }, shown);
      read = () => {
        if (!input.value.trim()) return undefined;
        const number = Number(input.value);
        if (Number.isNaN(number) || (kind === "integer" && !Number.isInteger(number)))
          throw [input, `${label} takes a ${WORDS[kind]}.`];
        return number;
      };
    } else {
      const held = kind === "secret" && value !== undefined && value !== null;
      text(
        {
          type: { secret: "password", date: "date", time: "time" }[kind] || "text",
          placeholder: held ? "Saved; type to replace it" : "",
        },
        kind === "secret" ? "" : typeof shown === "string" || shown === undefined || shown === null ? shown : JSON.stringify(shown),
      );
      read = () => (input.value === "" ? (required && kind === "text" ? "" : undefined) : input.value);
    }
    let isChanged = false;
    input.addEventListener("input", () => {
      isChanged = true;
    });
    if (required && !["boolean", "secret"].includes(kind)) input.setAttribute("aria-required", "true");
    const title = UI.make(
      "label",
      { for: id },
      label,
      " ",
      UI.make("span", { class: "kind" }, [WORDS[kind], required ? "needed" : null].filter(Boolean).join(", ")),
    );
    const element =
      kind === "boolean"
        ? UI.make("div", { class: "field line" }, input, title, help)
        : UI.make("div", { class: "field" }, title, input, help);
    const checked = () => {
      const found = read();
      if (required && found === undefined && kind !== "secret") throw [input, `${label} is needed.`];
      return found;
    };
    return { name, element, read: checked, changed: () => isChanged };
  };

  const build = (place) => {
    const { schema, values, blocks, held } = UI.data(place),
      known = schema.definitions || schema.$defs || {};
    const properties = Object.entries(schema.properties || {}).sort(
      ([, one], [, other]) => (one.position || 0) - (other.position || 0),
    );
    const options = { blocks: blocks || [], held: held || {} };
    const made = properties.map(([name, said]) =>
      field(name, said, known, (values || {})[name], (schema.required || []).includes(name), 0, options),
    );
    place.append(...made.map((each) => each.element));
    if (!made.length) place.append(UI.make("p", { class: "muted" }, "Nothing to fill in."));
    place.answer = (onlyChanged) =>
      Object.fromEntries(
        made
          .filter((each) => !onlyChanged || each.changed())
          .map((each) => [each.name, each.read()])
          .filter(([, value]) => value !== undefined),
      );
  };

  // A plain control of a form: its name is the path in the body, data-kind says what its text stands for.
  const put = (body, path, value) => {
    const names = path.split("."),
      last = names.pop();
    let inner = body;
    for (const name of names) inner = inner[name] = inner[name] || {};
    inner[last] = value;
  };
  // A run is that of a slot as long as neither its time nor its parameters are others.
  const isOfSlot = (input) => {
    const [time, parameters] = ["[data-kind='utc']", "[name='parameters']"].map((each) => input.form.querySelector(each).value.trim());
    return input.value.endsWith(` ${time}:00+00:00`) && ["", "{}"].includes(parameters);
  };
  const plain = (input) => {
    const text = input.value.trim();
    if (input.type === "checkbox") return input.checked;
    if (input.dataset.kind === "json") {
      try {
        return text === "" ? null : JSON.parse(text);
      } catch {
        throw [input, 'This is not JSON; text stands in quotes, such as "text".'];
      }
    }
    if (input.dataset.kind === "number") return text === "" ? null : Number(text);
    if (input.dataset.kind === "tags")
      return text
        .split(",")
        .map((each) => each.trim())
        .filter(Boolean);
    if (input.dataset.kind === "utc") return text ? new Date(`${text}Z`).toISOString() : undefined;
    if (input.dataset.kind === "slot") return isOfSlot(input) ? text : undefined;
    if (input.dataset.kind === "time") return text ? new Date(text).toISOString() : undefined;
    return text === "" && input.dataset.kind === "optional" ? undefined : input.value;
  };
  const bodyOf = (form) => {
    const body = form.dataset.body ? JSON.parse(form.dataset.body) : {};
    for (const input of UI.all("[name]", form)) {
      const value = plain(input);
      if (value !== undefined) put(body, input.name, value);
    }
    for (const place of UI.all("[data-schema]", form))
      put(body, place.dataset.schema, place.answer(form.dataset.method === "PATCH" && place.hasAttribute("data-merge")));
    const due = (body.state || {}).state_details;
    if (body.state && !(due && due.scheduled_time)) delete body.state;
    return body;
  };

  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-url]");
    if (!form) return;
    event.preventDefault();
    UI.all(".problem", form).forEach((each) => each.remove());
    UI.all("[aria-invalid]", form).forEach((each) => each.removeAttribute("aria-invalid"));
    const button = form.querySelector("button.main");
    button.disabled = true;
    try {
      const answer = await UI.ask(
        form.dataset.method,
        form.dataset.url,
        form.hasAttribute("data-list") ? [bodyOf(form)] : bodyOf(form),
      );
      form.removeAttribute("data-dirty");
      UI.go(form.dataset.then, answer);
    } catch (error) {
      const [input, said] = Array.isArray(error) ? error : [null, error.message];
      const problem = UI.make("p", { class: "problem", role: "alert" }, said);
      if (input) {
        input.setAttribute("aria-invalid", "true");
        input.closest(".field").append(problem);
        input.focus();
      } else form.append(problem);
    }
    button.disabled = false;
    if (document.activeElement === document.body) button.focus();
  });
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-url]");
    if (form) form.dataset.dirty = "1";
  });

  UI.ready.push(() => {
    UI.all("[data-schema]").forEach((place) => {
      if (!place.answer) build(place);
    });
    UI.all("[data-lines]").forEach((place) => UI.drawLines(place, UI.data(place) || []));
    for (const opener of UI.all("[data-dialog]"))
      opener.onclick = () => {
        const dialog = document.getElementById(opener.dataset.dialog);
        for (const [name, value] of Object.entries(opener.dataset)) {
          const input = dialog.querySelector(`[data-fill="${name}"]`);
          if (input) input.value = value;
        }
        dialog.showModal();
      };
    UI.all("[data-close]").forEach((each) => {
      each.onclick = () => each.closest("dialog").close();
    });
  });
}
