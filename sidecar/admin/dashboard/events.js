// The last hundred events as they happen. The browser comes back by itself when the stream breaks, and says what it saw
// last. What another process tells at the same address may be numbered in another way, so its stream is opened anew.

import { byId, make, mark, show, write } from "./dom.js";
import { clock } from "./words.js";

const KEPT = 100;
// More than a process keeps: what is told again, after its stream broke, is known by its number and its time.
const KNOWN = 1000;

export class EventList {
  #list = byId("events");
  #source = null;
  #seen = new Set();

  constructor() {
    byId("event-filter").addEventListener("input", () => this.#filter());
  }

  /** Follow the stream, if it is not followed already. */
  follow() {
    if (this.#source !== null && this.#source.readyState !== EventSource.CLOSED) return;
    const source = new EventSource("events");
    source.addEventListener("open", () => write(byId("event-state"), ""));
    source.addEventListener("error", () => write(byId("event-state"), "not connected"));
    source.addEventListener("message", (message) => this.#add(JSON.parse(message.data)));
    this.#source = source;
  }

  /** The process is another one. */
  restart() {
    this.#source?.close();
    this.#source = null;
    this.follow();
  }

  #add(event) {
    const told = `${event.id} ${event.time}`;
    if (this.#seen.has(told)) return;
    this.#seen.add(told);
    if (this.#seen.size > KNOWN) this.#seen.delete(this.#seen.values().next().value);
    // What each worker finds out for itself, such as an ejection, comes once from each.
    const from = event.fields.worker === undefined ? "" : ` (worker ${event.fields.worker})`;
    const text = `${event.kind} ${event.subject} ${event.text}${from}`.toLowerCase();
    const node = make("li", { "data-kind": event.kind, "data-text": text },
      make("time", { text: clock(event.time), datetime: new Date(event.time * 1000).toISOString() }),
      make("span", { class: "sign", text: event.alarming ? "▲" : "·", "aria-label": event.alarming ? "alarming" : "information", role: "img" }),
      make("span", { class: "kind", text: event.kind }),
      make("span", { class: "told" }, make("b", { text: event.subject }), ` ${event.text}${from}`));
    mark(node, "data-tone", event.alarming ? "bad" : null);
    show(node, this.#wants(node));
    this.#list.prepend(node);
    while (this.#list.childElementCount > KEPT) this.#list.lastElementChild.remove();
    show(byId("no-events"), false);
  }

  #wants(node) {
    const wanted = byId("event-filter").value.trim().toLowerCase();
    return wanted === "" || node.dataset.text.includes(wanted);
  }

  #filter() {
    for (const node of this.#list.children) show(node, this.#wants(node));
  }
}
