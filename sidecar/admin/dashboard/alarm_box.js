// The box on top: what is wrong now, the worst first, each with its rule a click away.

import { byId, button, make, mark, Rows, show, write } from "./dom.js";
import { counted, SIGNS } from "./words.js";

const SHOWN = 12;
const WORDS = { bad: "critical", warn: "warning", note: "note" };

export class AlarmBox {
  #rows;
  #announced = null;

  /** `lookUp(rule, reason)` leads to a rule. */
  constructor(lookUp) {
    this.#rows = new Rows(byId("alarm-list"), () => alarmRow(lookUp));
  }

  show(alarms, well) {
    const shown = alarms.slice(0, SHOWN).map((alarm) => [alarm.key, alarm]);
    const hidden = alarms.length - shown.length;
    if (hidden > 0) shown.push(["more", { tone: "note", what: `and ${hidden} more, less grave`, why: "", rule: null }]);
    this.#rows.show(shown);
    const wrong = alarms.filter((alarm) => alarm.tone !== "note");
    mark(byId("alarms"), "data-worst", wrong[0]?.tone ?? (alarms.length ? "note" : "good"));
    show(byId("all-well"), alarms.length === 0);
    write(byId("all-well"), well);
    this.#announce(wrong);
  }

  // Only that something else is wrong is worth an interruption, not that a figure moved.
  #announce(wrong) {
    const grave = wrong.map((alarm) => alarm.key).sort().join();
    if (grave === this.#announced) return;
    this.#announced = grave;
    write(byId("announcer"), wrong.length ? `${counted(wrong.length, "problem")}. ${wrong[0].what}` : "All is well.");
  }
}

function alarmRow(lookUp) {
  let alarm = null;
  const sign = make("span", { class: "sign", "aria-hidden": "true" });
  const word = make("span", { class: "word" });
  const what = make("span", { class: "what" });
  const why = make("span", { class: "why" });
  const rule = button("", () => lookUp(alarm.rule, alarm.reason), { class: "rule" });
  const node = make("li", {}, sign, word, make("span", { class: "told" }, what, why), rule);
  return {
    node,
    update(next) {
      alarm = next;
      mark(node, "data-tone", alarm.tone);
      write(sign, SIGNS[alarm.tone]);
      write(word, WORDS[alarm.tone]);
      write(what, alarm.what);
      write(why, alarm.why);
      show(rule, alarm.rule !== null);
      write(rule, alarm.rule ? "the rule" : "");
      mark(rule, "aria-label", alarm.rule ? `The rule ${alarm.rule}` : null);
    },
  };
}
