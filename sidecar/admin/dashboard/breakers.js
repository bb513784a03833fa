// The circuit breakers: their state in a word and a shape, what led to it, and the verbs.

import { byId, button, make, mark, Rows, show, write } from "./dom.js";
import { breakerStanding } from "./alarms.js";
import { command, twice } from "./verbs.js";
import { count, SIGNS } from "./words.js";

export class Breakers {
  #rows;

  /** `lookUp(rule, reason)` leads to a rule; `look()` has the page look again. */
  constructor(lookUp, look) {
    this.#rows = new Rows(byId("breakers"), (name) => breakerRow(name, lookUp, look));
  }

  show(breakers) {
    const all = Object.entries(breakers ?? {});
    this.#rows.show(all);
    show(byId("no-breakers"), all.length === 0);
  }
}

function breakerRow(name, lookUp, look) {
  const order = (verb, done) => async () => {
    if (await command(`breakers/${encodeURIComponent(name)}/${verb}`, `Breaker ${name}: ${done}`)) look();
  };
  const shape = make("span", { class: "sign", "aria-hidden": "true" });
  const word = make("strong");
  const why = make("span", { class: "why" });
  const figures = make("span", { class: "muted", title: "Attempts in the window, and how often it has opened since the start" });
  const open = twice(button("Hold open", () => {}, { title: "Refuse everything, until Auto" }), "Refuse everything?", order("open", "held open"));
  const close = button("Hold closed", order("close", "held closed"), { title: "Let everything through, until Auto" });
  const auto = button("Auto", order("auto", "follows its rule"), { title: "Follow the rule, from closed" });
  const node = make("li", { "data-breaker": name },
    make("p", {}, shape, word, button(name, () => lookUp(name, "circuit_open"), { class: "rule" }), why),
    make("p", {}, figures, make("span", { class: "room" }), make("span", { class: "verbs", role: "group", "aria-label": `Breaker ${name}` }, open, close, auto)));
  return {
    node,
    update(breaker) {
      const { word: said, tone, why: because } = breakerStanding(breaker);
      mark(node, "data-tone", tone);
      mark(node, "data-state", breaker.state);
      mark(node, "data-forced", breaker.forced);
      write(shape, SIGNS[tone]);
      write(word, said);
      write(why, because);
      const cause = breaker.why_open && breaker.forced === "auto" ? `${breaker.why_open} · ` : "";
      write(figures, `${cause}${count(breaker.failures)} failed, ${count(breaker.slow)} slow of ${count(breaker.requests)} · opened ${count(breaker.opened)}×`);
      mark(open, "aria-pressed", breaker.forced === "open");
      mark(close, "aria-pressed", breaker.forced === "close");
      mark(auto, "aria-pressed", breaker.forced === "auto");
    },
  };
}
