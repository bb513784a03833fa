// Rates and quantiles of the last seconds, from two looks at /status. Pure: knows no page and no clock.

/** Seconds that a rate or a quantile covers. */
export const WINDOW = 10;

/** From this share of 5xx on somebody should look. */
export const MANY_ERRORS = 0.05;

// A tab that was hidden for longer compares with nothing: its first figures would be of all that time.
const LONGEST = 3 * WINDOW;
// An answer may have been under way for some seconds, and clocks run apart.
const SLACK = 10;

/** The `q` quantile of plain counts by bucket, as Prometheus' histogram_quantile has it: linear within a bucket, the
 * last bound where it lies above all of them. `bounds` are upper ones; one more count is above them. Null of nothing. */
export function quantile(q, bounds, counts) {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (!(total > 0) || bounds.length === 0) return null;
  const rank = q * total;
  let below = 0;
  for (let at = 0; at < counts.length; at++) {
    const count = counts[at];
    if (count > 0 && below + count >= rank) {
      if (at >= bounds.length) return bounds[bounds.length - 1];
      const lower = at === 0 ? 0 : bounds[at - 1];
      return lower + (bounds[at] - lower) * ((rank - below) / count);
    }
    below += count;
  }
  return bounds[bounds.length - 1];
}

/** What a counter gained. One that is smaller than before began anew. */
export function gained(before, after) {
  const was = before ?? 0;
  const is = after ?? 0;
  return is >= was ? is - was : is;
}

/** What a counter gained a second; null while there is only one look. */
export function rate(before, after, seconds) {
  return seconds > 0 ? gained(before, after) / seconds : null;
}

/** What each bucket gained. */
export function gainedBuckets(before, after) {
  if (!after) return [];
  const fits = before && before.length === after.length;
  return after.map((count, at) => gained(fits ? before[at] : 0, count));
}

function byName(things) {
  return new Map((things ?? []).map((thing) => [thing.name, thing]));
}

/** The looks of the last seconds. */
export class History {
  #looks = [];

  /** Take a status of `time`, by the process' clock, that came at `seen`, by one that nobody sets; in seconds. True when
   * it is of another life of the process than before: that is younger than it would be by now. */
  add(status, time, seen = time) {
    const last = this.#looks[this.#looks.length - 1];
    const reborn = last !== undefined && status.uptime_seconds < last.status.uptime_seconds + Math.max(-1, seen - last.seen - SLACK);
    // Where no worker told its routes, all that they ever counted would seem to be of now.
    const apart = last !== undefined && (time < last.time || time - last.time > LONGEST || !last.status.routes?.length);
    if (reborn || apart) this.#looks = [];
    this.#looks.push({ status, time, seen, routes: byName(status.routes), upstreams: byName(status.upstreams) });
    // One that is older than the window is kept: without it a slow pace would leave nothing to compare with.
    while (this.#looks.length > 2 && this.#looks[1].time <= time - WINDOW) this.#looks.shift();
    return reborn;
  }

  /** The last look against the one a window before it, or against the one just before it. */
  view(latest = false) {
    const after = this.#looks[this.#looks.length - 1];
    const before = latest ? this.#looks[Math.max(0, this.#looks.length - 2)] : this.#looks[0];
    return { status: after.status, before, after, seconds: after.time - before.time };
  }
}

/** Refusals of a route by rule and reason: `{rule, reason, shadow, count, rate}`, what happens now first. */
export function refusals(view, route) {
  const before = view.before.routes.get(route.name);
  const told = [];
  for (const [key, shadow] of [["refused", false], ["shadow_refused", true]]) {
    for (const [rule, reasons] of Object.entries(route[key] ?? {})) {
      for (const [reason, count] of Object.entries(reasons)) {
        const was = before?.[key]?.[rule]?.[reason];
        told.push({ rule, reason, shadow, count, rate: rate(was, count, view.seconds), route: route.name });
      }
    }
  }
  return told;
}

/** The figures of a route within the view; rates are null while there is only one look. */
export function routeFigures(view, route) {
  const before = view.before.routes.get(route.name) ?? {};
  const requests = rate(before.requests, route.requests, view.seconds);
  const failures = rate(before.statuses?.["5xx"], route.statuses?.["5xx"], view.seconds);
  const buckets = gainedBuckets(before.latency?.buckets, route.latency?.buckets);
  const refused = refusals(view, route);
  const bounds = view.status.latency_bounds ?? [];
  return {
    route,
    requests,
    failures,
    errors: requests > 0 ? Math.min(1, failures / requests) : null,
    buckets,
    p50: quantile(0.5, bounds, buckets),
    p99: quantile(0.99, bounds, buckets),
    retries: rate(sum(before.retries), sum(route.retries), view.seconds),
    starved: rate(before.retries_skipped?.budget, route.retries_skipped?.budget, view.seconds),
    refused,
    refusedRate: refused.reduce((all, one) => all + (one.shadow ? 0 : one.rate ?? 0), 0),
  };
}

/** Whether an attempt with this outcome brought no good answer to a client that waited for one. */
export function isFailure(outcome) {
  return outcome !== "success" && outcome !== "downstream_gone";
}

/** The figures of an upstream within the view. */
export function upstreamFigures(view, upstream) {
  const before = view.before.upstreams.get(upstream.name) ?? {};
  const buckets = gainedBuckets(before.latency?.buckets, upstream.latency?.buckets);
  const outcomes = Object.entries(upstream.attempts ?? {}).map(([outcome, count]) => ({
    outcome,
    count,
    rate: rate(before.attempts?.[outcome], count, view.seconds),
  }));
  return { upstream, outcomes, p99: quantile(0.99, view.status.latency_bounds ?? [], buckets) };
}

/** The figures of all routes together. */
export function totals(view, routes) {
  const bounds = view.status.latency_bounds ?? [];
  const buckets = bounds.map(() => 0).concat(0);
  const all = { requests: 0, failures: 0, refused: 0, inFlight: 0 };
  for (const one of routes) {
    all.requests += one.requests ?? 0;
    all.failures += one.failures ?? 0;
    all.refused += one.refusedRate;
    all.inFlight += one.route.in_flight ?? 0;
    one.buckets.forEach((count, at) => (buckets[at] += count));
  }
  return {
    ...all,
    known: view.seconds > 0,
    errors: all.requests > 0 ? Math.min(1, all.failures / all.requests) : null,
    p50: quantile(0.5, bounds, buckets),
    p90: quantile(0.9, bounds, buckets),
    p99: quantile(0.99, bounds, buckets),
  };
}

function sum(counts) {
  return Object.values(counts ?? {}).reduce((all, count) => all + count, 0);
}
