// The panel of a rule: how it is written, with its place in the file, and how it stands.

import { byId, make, Rows, show, write } from "./dom.js";
import { count, left, meaning, perSecond, plain } from "./words.js";

export class RulePanel {
  #dialog = byId("rule");
  #rule = "";
  #reason = null;
  #asked = 0;
  #figures = new Rows(document.querySelector("#rule-figures tbody"), (name) => {
    const value = make("td");
    return { node: make("tr", {}, make("th", { scope: "row", text: name }), value), update: (text) => write(value, text) };
  });
  #status = null;
  #routes = [];

  /** Show a rule, and what `reason` means where one led here. */
  async open(rule, reason = null) {
    this.#rule = rule;
    this.#reason = reason;
    write(byId("rule-title"), rule);
    document.querySelector("#rule-keys tbody").replaceChildren();
    show(byId("rule-note"), false);
    this.#draw();
    if (!this.#dialog.open) this.#dialog.showModal();
    const turn = ++this.#asked;
    const told = await keysOf(rule);
    if (turn === this.#asked) this.#write(told);
  }

  /** The figures of a look. */
  show(status, routes) {
    this.#status = status;
    this.#routes = routes;
    if (this.#dialog.open) this.#draw();
  }

  #write({ keys, note }) {
    document.querySelector("#rule-keys tbody").replaceChildren(...keys.map((key) =>
      make("tr", {}, make("td", { "data-label": "key", text: key.key }), make("td", { "data-label": "value", text: plain(key.value) }),
        make("td", { "data-label": "from", class: key.from === "default" ? "muted" : "place", text: key.from }))));
    show(byId("rule-keys"), keys.length > 0);
    show(byId("rule-note"), note !== "");
    write(byId("rule-note"), note);
  }

  #draw() {
    const refusals = this.#routes.flatMap((one) => one.refused).filter((one) => owns(this.#rule, one.rule));
    const reasons = [...new Set([this.#reason, ...refusals.map((one) => one.reason)].filter(Boolean))];
    write(byId("rule-reasons"), reasons.map((reason) => `${reason}: ${meaning(reason) || "refused"}.`).join(" "));
    const rows = refusals.map((one) => [
      `${one.shadow ? "would refuse" : "refused"} on ${one.route}, ${one.reason}`,
      `${perSecond(one.rate)} a second, ${count(one.count)} since the start`,
    ]);
    this.#figures.show([...rows, ...figuresOf(this.#status, this.#rule)]);
  }
}

async function keysOf(rule) {
  try {
    const answer = await fetch(`rules?name=${encodeURIComponent(rule)}`);
    const told = await answer.json();
    return answer.ok ? { keys: told.keys, note: "" } : { keys: [], note: told.detail ?? "the rules in force have no such rule" };
  } catch {
    return { keys: [], note: "the process does not answer" };
  }
}

// A breaker goes by its label here (`upstream.app`) and by its place (`app/circuit_breaker`) in what it refuses.
function owns(rule, refusal) {
  const label = /^(?:upstream|route)\.(.*)$/.exec(rule);
  return refusal === rule || (label !== null && refusal === `${label[1]}/circuit_breaker`) || refusal.startsWith(`${rule}/`);
}

/** What policies tell of themselves under this rule, as `[name, text]`. */
export function figuresOf(status, rule) {
  if (!status) return [];
  const breaker = status.breakers?.[rule];
  if (breaker) return lines(breaker);
  for (const owner of [...(status.routes ?? []), ...(status.upstreams ?? [])]) {
    const policy = owner.policies?.[rule];
    if (policy) return lines(policy);
    for (const one of Object.values(owner.policies ?? {})) {
      const limit = rule.startsWith(`${owner.name}/`) ? one.limits?.[rule.slice(owner.name.length + 1)] : undefined;
      if (limit) return lines(limit);
    }
  }
  return [];
}

function lines(figures) {
  return Object.entries(figures).filter(([, value]) => value !== null).map(([name, value]) => [
    name.replaceAll("_", " "), name.endsWith("_remaining") ? left(value) : plain(value),
  ]);
}
