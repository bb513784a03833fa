// The totals over all routes, each with its line of the last minutes.

import { byId, make, mark, write } from "./dom.js";
import { MANY_ERRORS } from "./figures.js";
import { Spark } from "./spark.js";
import { count, percent, perSecond, seconds } from "./words.js";

class Tile {
  spark = new Spark();

  constructor(parent, name, about, id) {
    this.value = make("strong", { id });
    this.more = make("span", { class: "muted" });
    this.node = make("div", { class: "tile", title: about }, make("h3", { text: name }), make("p", {}, this.value, this.more), this.spark.node);
    parent.append(this.node);
  }

  set(text, more = "", tone = null) {
    write(this.value, text);
    write(this.more, more);
    mark(this.node, "data-tone", tone);
  }
}

export class Totals {
  constructor() {
    const parent = byId("totals");
    this.requests = new Tile(parent, "Requests a second", "Answered, by whomever", "total-requests");
    this.errors = new Tile(parent, "Answered 5xx", "Share of all answers, Sidecar's own included", "total-errors");
    this.refused = new Tile(parent, "Refused a second", "Answered by Sidecar itself, by any rule", "total-refused");
    this.flying = new Tile(parent, "In flight", "Requests that have no whole answer yet", "total-in-flight");
    this.median = new Tile(parent, "Median", "Half of all requests take less", "total-p50");
    this.slow = new Tile(parent, "99th percentile", "One request in a hundred takes longer; beside it the 90th", "total-p99");
  }

  /** `window` is of the last ten seconds, `latest` of the last one: the lines show the latter. */
  show(window, latest) {
    this.requests.set(window.known ? perSecond(window.requests) : "–");
    this.errors.set(percent(window.errors), window.failures > 0 ? `${perSecond(window.failures)}/s` : "", window.failures > 0 ? (window.errors > MANY_ERRORS ? "bad" : "warn") : null);
    this.refused.set(window.known ? perSecond(window.refused) : "–", "", window.refused > 0 ? "warn" : null);
    this.flying.set(count(window.inFlight));
    this.median.set(seconds(window.p50));
    this.slow.set(seconds(window.p99), window.p90 === null ? "" : `p90 ${seconds(window.p90)}`);
    if (!latest.known) return;
    this.requests.spark.add(latest.requests);
    this.errors.spark.add(latest.errors ?? 0);
    this.refused.spark.add(latest.refused);
    this.flying.spark.add(window.inFlight);
    this.median.spark.add(window.p50);
    this.slow.spark.add(window.p99);
  }

  /** Nothing is known of this second. */
  miss() {
    for (const tile of [this.requests, this.errors, this.refused, this.flying, this.median, this.slow]) tile.spark.add(null);
  }
}
