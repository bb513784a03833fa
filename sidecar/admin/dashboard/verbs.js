// What the page asks of the proxy: POSTs with the token, their errors told, and buttons that want a second press.
// The token is kept in sessionStorage: it ends with the tab, and no other site's page reads it.

import { byId, make, mark, show, write } from "./dom.js";

const KEY = "sidecar-admin-token";
const SECOND_PRESS = 8000; // milliseconds that a button waits for it
const SAID_FOR = 6000;

let dismissing = 0;

/** POST there; asks for the token when it is wanted. The answer's JSON with `ok` and `status`, or null when given up. */
export async function post(path) {
  let refused = false;
  for (;;) {
    const token = sessionStorage.getItem(KEY);
    let answer;
    try {
      answer = await fetch(path, { method: "POST", headers: token ? { Authorization: `Bearer ${bytes(token)}` } : {} });
    } catch {
      return { ok: false, status: 0, detail: "the process does not answer" };
    }
    if (answer.status !== 401) return { detail: answer.statusText, ...(await json(answer)), ok: answer.ok, status: answer.status };
    refused = refused || token !== null;
    if (!(await asked(refused))) return null;
    refused = true;
  }
}

// A header's letters are bytes, and the token's are UTF-8.
function bytes(text) {
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
}

/** POST, and say what came of it: `done` in words, or the error. True when it was done. */
export async function command(path, done) {
  const answer = await post(path);
  if (answer === null) say("Not done: no token was given", [], "note");
  else if (answer.ok) say(done, [], "good");
  else say(`Not done: ${answer.detail}`, answer.problems ?? [], "bad");
  return answer?.ok === true;
}

/** Show a line, and more below it, until it is dismissed, or for some seconds when it is not bad. */
export function say(text, more, tone) {
  const said = byId("said");
  clearTimeout(dismissing);
  mark(said, "data-tone", tone);
  write(said.querySelector("p"), text);
  said.querySelector("ul").replaceChildren(...more.map((line) => make("li", { text: line })));
  show(said, true);
  if (tone === "good") dismissing = setTimeout(() => show(said, false), SAID_FOR);
}

/** Make a button act on its second press within a few seconds. */
export function twice(node, question, act) {
  const text = node.textContent;
  let timer = 0;
  const calm = () => {
    clearTimeout(timer);
    timer = 0;
    write(node, text);
    mark(node, "data-armed", null);
  };
  // Neither the second half of a double click nor a key that is held down is a second thought.
  node.addEventListener("keydown", (event) => event.repeat && event.preventDefault());
  node.addEventListener("click", (event) => {
    if (event.detail > 1) return;
    if (timer) {
      calm();
      act();
      return;
    }
    write(node, question);
    mark(node, "data-armed", "");
    timer = setTimeout(calm, SECOND_PRESS);
  });
  node.addEventListener("blur", calm);
  return node;
}

/** Wire the header's verbs and the line that says what came of them. */
export function wireVerbs() {
  byId("said").querySelector("button").addEventListener("click", () => show(byId("said"), false));
  byId("reload").addEventListener("click", reload);
  twice(byId("drain"), "Press again to drain", () => command("drain", "The drain has begun"));
}

async function reload() {
  const answer = await post("reload");
  if (answer === null) say("Not done: no token was given", [], "note");
  else if (!answer.ok) say(`Not reloaded: ${answer.detail}`, answer.problems ?? [], "bad");
  else if (answer.result === "unchanged") say(`Nothing has changed: generation ${answer.generation} stays${answer.note ? `, ${answer.note}` : ""}`, answer.warnings ?? [], "good");
  else say(`Reloaded: generation ${answer.generation} is in force`, [...(answer.changes ?? []).map(change), ...(answer.warnings ?? [])], "good");
}

function change(one) {
  return typeof one === "string" ? one : Object.values(one).filter((value) => value !== null).join(" ");
}

async function json(answer) {
  try {
    return await answer.json();
  } catch {
    return {};
  }
}

/** Ask for the token; false when the question is given up. One that is asked already is waited for by both. */
let asking = null;
function asked(wrong) {
  asking ??= question(wrong).finally(() => (asking = null));
  return asking;
}

async function question(wrong) {
  const dialog = byId("token");
  const field = byId("token-value");
  write(byId("token-why"), wrong ? "That token was refused. What is the token that admin.token of the rules sets?" : "This needs the token that admin.token of the rules sets.");
  field.value = "";
  dialog.returnValue = "";
  dialog.showModal();
  field.focus();
  await new Promise((over) => dialog.addEventListener("close", over, { once: true }));
  const given = dialog.returnValue === "use" && field.value !== "";
  if (given) sessionStorage.setItem(KEY, field.value);
  field.value = "";
  return given;
}
