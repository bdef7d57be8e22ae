"use strict";
// Shows the OpenAPI document and sends requests. Text is only ever set as text, so nothing in the document can run.

const METHODS = ["get", "post", "put", "patch", "delete"];
let openapi = null;

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "onclick") element.addEventListener("click", value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined) element.append(child);
  return element;
}

function resolve(schema) {
  let seen = 0;
  while (schema && schema.$ref && seen++ < 8) {
    schema = schema.$ref.split("/").slice(1).reduce((at, key) => at && at[key], openapi);
  }
  return schema || {};
}

// A type in one line, an object over several.
function shape(schema, depth, indent) {
  const name = schema && schema.$ref ? schema.$ref.split("/").pop() : null;
  if (name && depth <= 0) return name;
  const is = resolve(schema);
  const several = is.oneOf || is.anyOf;
  if (several) return several.map(one => shape(one, depth - 1, indent)).join(" | ");
  if (is.allOf) return is.allOf.map(one => shape(one, depth - 1, indent)).join(" & ");
  if (is.enum) return is.enum.map(one => JSON.stringify(one)).join(" | ");
  if (is.const !== undefined) return JSON.stringify(is.const);
  const kinds = [].concat(is.type || []);
  const others = kinds.filter(kind => kind !== "object" && kind !== "array");
  if (is.properties && depth > 0) {
    const inner = indent + "  ";
    const lines = Object.entries(is.properties).map(([key, value]) => {
      const optional = (is.required || []).includes(key) ? "" : "?";
      const about = resolve(value).description || value.description;
      const note = about ? "  // " + about.split("\n")[0] : "";
      return inner + key + optional + ": " + shape(value, depth - 1, inner) + note;
    });
    return ["{\n" + lines.join("\n") + "\n" + indent + "}"].concat(others).join(" | ");
  }
  if (is.items) return [shape(is.items, depth, indent) + "[]"].concat(others).join(" | ");
  if (is.additionalProperties && depth > 0) return "{ [name]: " + shape(is.additionalProperties, depth - 1, indent) + " }";
  const format = is.format ? " (" + is.format + ")" : "";
  return (kinds.join(" | ") || name || "any") + format;
}

function example(schema, depth) {
  const is = resolve(schema);
  if (is.example !== undefined) return is.example;
  if (is.examples && is.examples.length) return is.examples[0];
  if (is.default !== undefined) return is.default;
  if (is.enum) return is.enum[0];
  if (depth <= 0) return null;
  const several = is.oneOf || is.anyOf || is.allOf;
  if (several) return example(several[0], depth - 1);
  const kind = [].concat(is.type || [])[0];
  if (is.properties) {
    const keys = Object.keys(is.properties).filter(key => (is.required || []).includes(key));
    return Object.fromEntries(keys.map(key => [key, example(is.properties[key], depth - 1)]));
  }
  return { string: "", integer: is.minimum || 0, number: is.minimum || 0, boolean: false, array: [], object: {} }[kind] ?? null;
}

function parametersOf(operation) {
  const rows = (operation.parameters || []).map(parameter => {
    const input = make("input", { "data-in": parameter.in, "data-name": parameter.name, "aria-label": parameter.name,
      placeholder: parameter.example !== undefined ? String(parameter.example) : "" });
    const kind = parameter.in + (parameter.required ? ", needed" : "");
    return make("tr", {}, make("td", {}, make("code", {}, parameter.name)), make("td", {}, kind),
      make("td", {}, shape(parameter.schema, 1, "")), make("td", {}, parameter.description || ""), make("td", {}, input));
  });
  if (!rows.length) return null;
  const head = ["name", "where", "type", "what", "value"].map(text => make("th", {}, text));
  return [make("h3", {}, "Parameters"), make("table", {}, make("tr", {}, head), rows)];
}

function answersOf(operation) {
  return Object.entries(operation.responses || {}).map(([status, given]) => {
    const answer = resolve(given);
    const content = Object.entries(answer.content || {}).map(([kind, { schema }]) =>
      make("pre", {}, kind + "\n" + shape(schema, 3, "")));
    const isProblem = answer.content && answer.content["application/problem+json"];
    return make("details", {}, make("summary", {}, make("code", {}, status), " " + (answer.description || "")),
      isProblem ? make("p", {}, "A problem document.") : content);
  });
}

async function send(method, path, form, output) {
  let url = path;
  const query = new URLSearchParams();
  const headers = {};
  for (const input of form.querySelectorAll("input[data-in]")) {
    if (input.value === "") continue;
    if (input.dataset.in === "path") url = url.replace("{" + input.dataset.name + "}", encodeURIComponent(input.value));
    if (input.dataset.in === "query") query.append(input.dataset.name, input.value);
    if (input.dataset.in === "header") headers[input.dataset.name] = input.value;
  }
  const token = document.getElementById("token").value;
  if (token) headers.Authorization = "Bearer " + token;
  const body = form.querySelector("textarea");
  const kind = form.querySelector("select");
  if (body && body.value !== "") headers["Content-Type"] = kind.value;
  if (query.size) url += "?" + query;
  output.textContent = "…";
  const begun = performance.now();
  try {
    // A change by a session needs the token of that session.
    if (!token && method !== "get") {
      const session = await fetch("/api/v1/session");
      if (session.ok) headers["X-CSRF-Token"] = (await session.json()).csrf_token || "";
    }
    const answer = await fetch(url, { method: method.toUpperCase(), headers, body: body && body.value !== "" ? body.value : undefined });
    let text = await answer.text();
    try { text = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: as it is */ }
    const told = ["etag", "ratelimit", "location", "x-request-id"].filter(name => answer.headers.has(name))
      .map(name => name + ": " + answer.headers.get(name));
    output.textContent = [answer.status + " in " + Math.round(performance.now() - begun) + " ms", ...told, "", text].join("\n");
  } catch (error) {
    output.textContent = "No answer: " + error.message;
  }
}

function fill(box, method, path, operation) {
  const body = operation.requestBody && operation.requestBody.content;
  const output = make("pre", { "aria-live": "polite" }, "");
  const parts = [make("p", {}, operation.description || operation.summary || "")];
  parts.push(parametersOf(operation));
  if (body) {
    const kinds = Object.keys(body);
    const first = body[kinds[0]];
    const text = kinds[0].includes("json") ? JSON.stringify(example(first.schema, 4), null, 2) : "";
    parts.push(make("h3", {}, "Body"), make("pre", {}, shape(first.schema, 4, "")),
      make("select", { "aria-label": "type of the body" }, kinds.map(kind => make("option", {}, kind))),
      make("textarea", { spellcheck: "false", "aria-label": "body" }, text));
  }
  if (!(operation.responses["200"]?.content || {})["text/event-stream"]) {
    parts.push(make("p", {}, make("button", { type: "button", onclick: () => send(method, path, box, output) }, "Send")), output);
  }
  parts.push(make("h3", {}, "Answers"), answersOf(operation));
  box.append(...parts.flat().filter(Boolean));
}

function show(filter) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const byTag = new Map();
  for (const [path, item] of Object.entries(openapi.paths)) {
    for (const method of METHODS.filter(method => item[method])) {
      const operation = item[method];
      const text = [method, path, operation.summary, operation.operationId, operation["x-permission"]].join(" ").toLowerCase();
      if (!words.every(word => text.includes(word))) continue;
      const tag = (operation.tags || ["other"])[0];
      if (!byTag.has(tag)) byTag.set(tag, []);
      const box = make("div", {});
      const details = make("details", { class: "operation", id: operation.operationId },
        make("summary", {}, make("span", { class: "method " + method }, method.toUpperCase()), make("code", {}, path),
          make("span", {}, operation.summary || ""), make("span", { class: "word right" }, operation["x-permission"])), box);
      details.addEventListener("toggle", () => { if (details.open && !box.hasChildNodes()) fill(box, method, path, operation); });
      byTag.get(tag).push(details);
    }
  }
  const sections = [...byTag].map(([tag, operations]) => make("section", {}, make("h2", {}, tag), operations));
  document.getElementById("main").replaceChildren(make("p", {}, openapi.info.description),
    ...(sections.length ? sections : [make("p", {}, "No operation has these words.")]));
}

async function start() {
  const answer = await fetch("/api/v1/openapi.json");
  if (!answer.ok) throw new Error("status " + answer.status);
  openapi = await answer.json();
  show("");
  const filter = document.getElementById("filter");
  filter.addEventListener("input", () => show(filter.value));
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target) { target.open = true; target.scrollIntoView(); }
}

start().catch(error => {
  const state = document.getElementById("state");
  state.className = "wrong";
  state.textContent = "The document could not be read: " + error.message;
});
