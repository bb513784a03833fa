// The upstreams with their endpoints: health, connections, outcomes of attempts, and the verbs.

import { Bar, byId, button, make, mark, Rows, show, write } from "./dom.js";
import { standing } from "./alarms.js";
import { isFailure } from "./figures.js";
import { command, twice } from "./verbs.js";
import { count, perSecond, seconds, SIGNS } from "./words.js";

const HEADS = ["Endpoint", "State", "In flight", "In use", "Idle", "Waiting", ""];

export class Upstreams {
  #rows;

  /** `lookUp(rule, reason)` leads to a rule; `look()` has the page look again. */
  constructor(lookUp, look) {
    this.#rows = new Rows(byId("upstreams"), () => upstreamPart(lookUp, look));
  }

  show(figures) {
    this.#rows.show(figures.map((one) => [one.upstream.name, one]));
  }
}

function upstreamPart(lookUp, look) {
  const name = make("h3");
  const outcomes = make("ul", { class: "outcomes" });
  const slow = make("span", { class: "muted" });
  const hold = make("li", { class: "limit" });
  const holdRule = button("hold", () => lookUp(hold.dataset.rule, "no_endpoint"), { class: "rule" });
  const holdBar = new Bar();
  const holdText = make("span");
  hold.append(holdRule, holdBar.node, holdText);
  const budget = make("li", { class: "limit" });
  const body = make("tbody");
  const outcomeRows = new Rows(outcomes, outcomeRow);
  const endpointRows = new Rows(body, (endpoint) => endpointRow(endpoint, look));
  const node = make("article", {},
    make("div", { class: "title" }, name, slow), outcomes, make("ul", { class: "limits" }, hold, budget),
    make("table", { class: "endpoints" }, make("thead", {}, make("tr", {}, ...HEADS.map((text) => make("th", { scope: "col", text })))), body));
  return {
    node,
    update({ upstream, outcomes: counts, p99 }) {
      write(name, upstream.name);
      write(slow, p99 === null ? "no attempt of late" : `p99 of attempts ${seconds(p99)}`);
      outcomeRows.show(counts.map((one) => [one.outcome, one]));
      const held = Object.entries(upstream.policies ?? {}).find(([, policy]) => "held" in policy);
      show(hold, held !== undefined);
      if (held) {
        const [rule, policy] = held;
        hold.dataset.rule = rule;
        write(holdText, `${policy.held} of ${policy.max_requests} requests held`);
        holdBar.set(policy.held / policy.max_requests, policy.held > 0 ? "warn" : "good");
      }
      const budgets = upstream.retry_budgets ?? [];
      show(budget, budgets.length > 0);
      write(budget, `retry budget: ${budgets.map((one) => `${Math.floor(one.available)} retries left`).join(", ")}`);
      endpointRows.show((upstream.endpoints ?? []).map((endpoint) => [endpoint.name, endpoint]));
    },
  };
}

function outcomeRow(outcome) {
  const speed = make("span", { class: "num" });
  const total = make("span", { class: "muted num" });
  const node = make("li", { "data-tone": outcome === "success" ? "good" : "plain" }, make("span", { text: outcome.replaceAll("_", " ") }), speed, total);
  return {
    node,
    update(one) {
      write(speed, `${perSecond(one.rate)}/s`);
      write(total, count(one.count));
      if (isFailure(outcome)) mark(node, "data-tone", one.rate > 0 ? "bad" : "plain");
    },
  };
}

function endpointRow(name, look) {
  const order = (verb, done) => async () => {
    if (await command(`endpoints/${encodeURIComponent(name)}/${verb}`, `Endpoint ${name}: ${done}`)) look();
  };
  const shape = make("span", { class: "sign", "aria-hidden": "true" });
  const word = make("strong");
  const why = make("span", { class: "why" });
  const cell = (label) => make("td", { class: "num", "data-label": label });
  const [flying, inUse, idle, waiting] = ["in flight", "in use", "idle", "waiting"].map(cell);
  const drain = twice(button("Drain", () => {}, { title: "Send it no new attempts, until Ready" }), "Drain it?", order("drain", "drained"));
  const ready = button("Ready", order("ready", "takes attempts again"), { title: "Send it attempts again; ends an ejection" });
  const node = make("tr", { "data-endpoint": name },
    make("th", { scope: "row" }, make("span", { text: name.slice(name.indexOf("/") + 1) || name, title: name })),
    make("td", { class: "stands" }, shape, word, why), flying, inUse, idle, waiting,
    make("td", {}, make("span", { class: "verbs", role: "group", "aria-label": `Endpoint ${name}` }, drain, ready)));
  return {
    node,
    update(endpoint) {
      const { word: said, tone, why: because } = standing(endpoint);
      mark(node, "data-tone", tone);
      write(shape, SIGNS[tone]);
      write(word, said);
      write(why, because);
      write(flying, count(endpoint.in_flight));
      write(inUse, count(endpoint.pool?.in_use ?? 0));
      write(idle, count(endpoint.pool?.idle ?? 0));
      write(waiting, count(endpoint.pool?.waiting ?? 0));
      mark(waiting, "data-tone", endpoint.pool?.waiting > 0 ? "warn" : null);
      swap(drain, ready, endpoint.drained, tone !== "good");
    },
  };
}

// Drain shows until it is drained, Ready while it is not up; the focus stays on one of them.
function swap(drain, ready, drained, out) {
  const focused = document.activeElement;
  show(drain, !drained);
  show(ready, out);
  if (focused === drain && drained) ready.focus();
  else if (focused === ready && !out) drain.focus();
}
