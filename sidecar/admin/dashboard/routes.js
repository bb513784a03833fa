// The routes: what each does, how much of its limits is used, and what it refuses by which rule.

import { Bar, byId, button, make, mark, Rows, show, write } from "./dom.js";
import { MANY_ERRORS } from "./figures.js";
import { count, counted, gravity, NONE, percent, perSecond, plain, seconds } from "./words.js";

// A table of thousands is slow to lay out; the filter and the box on top find what is not among the first.
const SHOWN = 200;
const SORTS = {
  requests: (one) => one.requests ?? 0,
  errors: (one) => one.errors ?? 0,
  p99: (one) => one.p99 ?? 0,
  refused: (one) => one.refusedRate,
};

export class Routes {
  #rows;
  #figures = [];
  #order = null; // names, as they were sorted when that was asked for: rows that jump cannot be read
  #all = false;

  /** `lookUp(rule, reason)` leads to a rule. */
  constructor(lookUp) {
    this.#rows = new Rows(document.querySelector("#routes tbody"), () => routeRow(lookUp));
    for (const node of document.querySelectorAll("#routes th button")) {
      node.addEventListener("click", () => this.#sort(node));
    }
    byId("route-filter").addEventListener("input", () => this.#draw());
    byId("route-trouble").addEventListener("change", () => this.#draw());
    byId("more-routes").querySelector("button").addEventListener("click", () => {
      this.#all = true;
      this.#draw();
    });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "/" || event.target.closest("input, dialog")) return;
      event.preventDefault();
      byId("route-filter").focus();
    });
  }

  show(figures) {
    this.#figures = figures;
    this.#draw();
  }

  #draw() {
    const wanted = byId("route-filter").value.trim().toLowerCase();
    const trouble = byId("route-trouble").checked;
    let found = this.#figures.filter((one) => matches(one, wanted) && (!trouble || troubled(one)));
    if (this.#order !== null) {
      const last = this.#order.size;
      found = found.toSorted((one, other) => (this.#order.get(one.route.name) ?? last) - (this.#order.get(other.route.name) ?? last));
    }
    const shown = this.#all ? found : found.slice(0, SHOWN);
    this.#rows.show(shown.map((one) => [one.route.name, one]));
    write(byId("route-count"), found.length === this.#figures.length ? count(found.length) : `${count(found.length)} of ${count(this.#figures.length)}`);
    const more = byId("more-routes");
    show(more, shown.length < found.length);
    write(more.querySelector("span"), `The first ${shown.length} of ${count(found.length)}.`);
  }

  #sort(node) {
    const by = SORTS[node.dataset.sort];
    this.#order = by && new Map(this.#figures.toSorted((one, other) => by(other) - by(one)).map((one, at) => [one.route.name, at]));
    this.#order ??= null;
    for (const head of document.querySelectorAll("#routes th[aria-sort]")) mark(head, "aria-sort", "none");
    mark(node.closest("th"), "aria-sort", by ? "descending" : "ascending");
    this.#draw();
  }
}

function matches({ route }, wanted) {
  return wanted === "" || route.name.toLowerCase().includes(wanted) || (route.upstream ?? "").toLowerCase().includes(wanted);
}

function troubled(one) {
  return one.failures > 0 || one.refused.some((refusal) => refusal.rate > 0) || one.starved > 0;
}

function routeRow(lookUp) {
  const cell = (label) => make("td", { "data-label": label, class: "num" });
  const name = button("", () => lookUp(current, null), { class: "rule" });
  const upstream = make("span", { class: "muted" });
  const [requests, errors, p50, p99, flying, retries] = ["req/s", "5xx", "p50", "p99", "in flight", "retries/s"].map(cell);
  const limits = make("ul", { class: "limits" });
  const refused = make("ul", { class: "refused" });
  const limitRows = new Rows(limits, () => limitRow(lookUp));
  const refusalRows = new Rows(refused, () => refusalRow(lookUp));
  const node = make("tr", {},
    make("th", { scope: "row" }, name, upstream), requests, errors, p50, p99, flying, retries,
    make("td", { "data-label": "Limits" }, limits), make("td", { "data-label": "Refused" }, refused));
  let current = "";
  return {
    node,
    update(one) {
      const { route } = one;
      current = route.name;
      write(name, route.name === "-" ? "no route" : route.name);
      name.disabled = route.name === "-";
      mark(name, "title", route.name);
      write(upstream, route.upstream && route.upstream !== "-" ? `→ ${route.upstream}` : "");
      write(requests, perSecond(one.requests));
      write(errors, percent(one.errors));
      mark(errors, "data-tone", one.failures > 0 ? (one.errors > MANY_ERRORS ? "bad" : "warn") : null);
      write(p50, seconds(one.p50));
      write(p99, seconds(one.p99));
      write(flying, count(route.in_flight));
      write(retries, perSecond(one.retries));
      mark(retries, "data-tone", one.starved > 0 ? "warn" : null);
      limitRows.show(limitsOf(route));
      refusalRows.show(one.refused.map((refusal) => [`${refusal.rule} ${refusal.reason} ${refusal.shadow}`, refusal]));
    },
  };
}

function limitRow(lookUp) {
  let rule = "";
  const bar = new Bar();
  const name = button("", () => lookUp(rule, null), { class: "rule" });
  const text = make("span");
  const node = make("li", {}, name, bar.node, text);
  return {
    node,
    update(limit) {
      rule = limit.rule;
      write(name, limit.name);
      const told = limit.shadow ? `shadow: ${limit.text}` : limit.text; // first, because a narrow cell cuts the end
      write(text, told);
      mark(text, "title", told);
      show(bar.node, limit.ratio !== null);
      bar.set(limit.ratio, limit.shadow ? "note" : limit.ratio >= 1 ? "bad" : limit.ratio >= 0.8 ? "warn" : "good");
    },
  };
}

function refusalRow(lookUp) {
  let refusal = null;
  const name = button("", () => lookUp(refusal.rule, refusal.reason), { class: "rule" });
  const reason = make("span", { class: "reason" });
  const speed = make("span", { class: "num" });
  const total = make("span", { class: "num muted" });
  const node = make("li", {}, name, reason, speed, total);
  return {
    node,
    update(next) {
      refusal = next;
      write(name, refusal.rule.startsWith(`${refusal.route}/`) ? refusal.rule.slice(refusal.route.length + 1) : refusal.rule || NONE);
      name.disabled = !refusal.rule;
      mark(name, "title", refusal.rule ? `What ${refusal.rule} says` : "no rule of the file is to blame");
      write(reason, refusal.shadow ? `${refusal.reason}, shadow` : refusal.reason);
      write(speed, `${perSecond(refusal.rate)}/s`);
      write(total, count(refusal.count));
      mark(node, "data-tone", refusal.rate > 0 && !refusal.shadow ? gravity(refusal.reason) : null);
    },
  };
}

/** What of its limits a route has used: `[key, {rule, name, ratio, text, shadow}]`, a ratio of null where none is known. */
export function limitsOf(route) {
  const told = [];
  for (const [rule, policy] of Object.entries(route.policies ?? {})) {
    const name = rule.slice(rule.lastIndexOf("/") + 1);
    if (policy.limits) told.push(...rateLimits(route.name, policy));
    else if ("max" in policy && "in_flight" in policy) told.push(concurrency(rule, name, policy));
    else if ("state" in policy && "breaker" in policy) told.push([rule, { rule: policy.breaker, name: "breaker", ratio: null, text: policy.state.replace("_", " "), shadow: policy.shadow }]);
    else told.push([rule, { rule, name: name.replaceAll("_", " "), ratio: null, text: figures(policy), shadow: policy.shadow }]);
  }
  return told;
}

function rateLimits(route, policy) {
  return Object.entries(policy.limits).map(([name, limit]) => {
    const rule = `${route}/${name}`;
    const shadow = limit.mode === "shadow";
    if (limit.remaining !== undefined) {
      return [rule, { rule, name, shadow, ratio: 1 - limit.remaining / limit.burst, text: `${limit.rate}, ${count(limit.remaining)} of ${limit.burst} left` }];
    }
    // A bucket for each key: there is no one use, and a bar of the keys would say that the limit is hardly used.
    const full = limit.keys >= limit.max_keys ? ", no room for more" : "";
    return [rule, { rule, name, shadow, ratio: null, text: `${limit.rate} each, ${counted(limit.keys, "key")}${full}` }];
  });
}

function concurrency(rule, name, policy) {
  const queue = policy.queued > 0 ? `, ${policy.queued} queued` : "";
  return [rule, { rule, name, shadow: policy.shadow, ratio: policy.max ? policy.in_flight / policy.max : null, text: `${policy.in_flight} of ${policy.max}${queue}` }];
}

function figures(policy) {
  const { shadow: _shadow, ...rest } = policy;
  return plain(Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null)));
}
