// What is wrong, from one look at /status and the figures of its last seconds: what to say, how bad it is, which rule
// leads further. Pure. The worst comes first; refusals that come faster before those that come slower.
// A terminal is told the same by cli/alarms.py: tests/integration/test_alarms_agree.py holds the two together.

import { MANY_ERRORS } from "./figures.js";
import { age, counted, gravity, left, meaning, mebibytes, percent, perSecond, seconds } from "./words.js";

const ORDER = { bad: 0, warn: 1, note: 2 };
const LAG_WORTH_SAYING = 0.1;
const NEARLY_FULL = 0.9;
const NAMED = 3;
// Seconds before a certificate's end: somebody should renew it, somebody has to.
const ENDS_SOON = 14 * 86400;
const ENDS_NOW = 3 * 86400;
const GONE = "downstream_gone";

/** The alarms: `{key, tone, what, why, rule, weight}`. `rule` is null where no rule leads further. */
export function alarms(view, routes) {
  const told = [
    ...process(view.status),
    ...certificates(view.status),
    ...breakers(view.status),
    ...endpoints(view.status),
    ...refused(routes),
    ...failing(routes),
  ];
  return told.sort((one, other) => ORDER[one.tone] - ORDER[other.tone] || other.weight - one.weight || (one.key < other.key ? -1 : 1));
}

/** Words for where the drain stands, empty while there is none. */
export function draining(drain) {
  if (!drain || drain.stage === "none") return "";
  const parts = [drain.stage === "announced" ? "announced, still serving" : drain.stage];
  if (drain.deadline_left_seconds !== null) parts.push(`${left(drain.deadline_left_seconds)} to the hard stop`);
  const flying = Object.entries(drain.in_flight ?? {}).filter(([, number]) => number > 0);
  parts.push(flying.length ? `${flying.map(([kind, number]) => `${number} ${kind}`).join(", ")} in flight` : "nothing in flight");
  if (drain.cut) parts.push(`${drain.cut} cut off`);
  return parts.join(", ");
}

/** An endpoint in words, and the tone of it: what people decided before what policies did. */
export function standing(endpoint) {
  if (endpoint.drained) return { word: "drained", tone: "note", why: "by hand" };
  if (endpoint.down) return { word: "down", tone: "bad", why: endpoint.why_down || "" };
  if (endpoint.ejection?.state === "ejected") {
    return { word: "ejected", tone: "bad", why: `${left(endpoint.ejection.seconds_left)} left` };
  }
  const workers = endpoint.workers;
  if (workers && workers.taking_attempts > 0 && workers.taking_attempts < workers.all) {
    return { word: "up in part", tone: "warn", why: `in ${workers.taking_attempts} of ${workers.all} workers` };
  }
  return endpoint.takes_attempts === false
    ? { word: "out", tone: "bad", why: "takes no attempts" }
    : { word: "up", tone: "good", why: "" };
}

/** A breaker in words, and the tone of it. */
export function breakerStanding(breaker) {
  const word = breaker.state.replace("_", " ");
  const tone = breaker.state === "closed" ? "good" : breaker.shadow ? "note" : breaker.state === "open" ? "bad" : "warn";
  const parts = [];
  if (breaker.forced !== "auto") parts.push("by hand, until Auto");
  else if (breaker.state === "open" && breaker.open_remaining !== null) {
    parts.push(breaker.open_remaining > 0 ? `next probe in ${left(breaker.open_remaining)}` : "a probe may go now");
  } else if (breaker.state === "half_open") parts.push("probing");
  if (breaker.shadow) parts.push("in shadow: refuses nobody");
  return { word, tone, why: parts.join(", ") };
}

function process(status) {
  const told = (status.not_ready ?? []).map((reason) => say(`not-ready ${reason.split(":")[0]}`, "bad", `Not ready: ${reason}`, "", null, 1e9));
  const pressure = status.pressure;
  if (pressure && !pressure.accepting) {
    told.push(say("accepting", "bad", "New connections wait", "no descriptor is left for them", null, 1e8));
  } else if (pressure?.descriptors && pressure.descriptors.needed > NEARLY_FULL * pressure.descriptors.for_connections) {
    const { needed, for_connections: most } = pressure.descriptors;
    told.push(say("descriptors", "warn", "Descriptors run out", `${needed} of ${most} are needed`, null, 1e3));
  }
  const memory = pressure?.memory;
  if (memory?.shedding) {
    const why = `${mebibytes(memory.resident_bytes)} resident, the limit is ${mebibytes(memory.limit_bytes)}`;
    told.push(say("memory", "bad", "New requests are refused: memory", why, "overload/max_memory", 1e8));
  } else if (memory?.limit_bytes && memory.resident_bytes > NEARLY_FULL * memory.limit_bytes) {
    const why = `${mebibytes(memory.resident_bytes)} of ${mebibytes(memory.limit_bytes)}`;
    told.push(say("memory", "warn", "Memory is nearly used up", why, "overload/max_memory", 1e3));
  }
  const reload = status.reload?.last;
  if (reload?.result === "failed") {
    const what = `The last reload failed (${reload.why}); generation ${reload.generation} stays in force`;
    told.push(say("reload", "bad", what, (reload.problems ?? []).join("\n"), null, 1e7));
  }
  if (status.loop_lag_seconds > LAG_WORTH_SAYING) {
    told.push(say("lag", "warn", `The process is late by ${seconds(status.loop_lag_seconds)}`, "it has too little CPU time", null, 1e3));
  }
  for (const worker of status.workers ?? []) {
    if (worker.phase !== "serving" && status.phase === "serving") {
      told.push(say(`worker ${worker.slot}`, "warn", `Worker ${worker.slot} is ${worker.phase}`, worker.restarts ? `restarted ${counted(worker.restarts, "time")}` : "", null, 1e3));
    }
  }
  return told;
}

function certificates(status) {
  const owners = [
    ...(status.listeners ?? []).map((one) => [`listener ${one.name}`, one.tls?.certificates ?? []]),
    ...(status.upstreams ?? []).map((one) => [`upstream ${one.name}`, one.certificates ?? []]),
  ];
  return owners.flatMap(([owner, shown]) => shown.map((one) => [owner, one, one.not_after - status.time]))
    .filter(([, , rest]) => rest < ENDS_SOON)
    .map(([owner, { names, subject, fingerprint }, rest]) => {
      const what = `The certificate of ${names[0] ?? subject} ${rest > 0 ? `ends in ${age(rest)}` : "has ended"}`;
      return say(`certificate ${owner} ${fingerprint}`, rest < ENDS_NOW ? "bad" : "warn", what, `shown by ${owner}`, null, 1e4);
    });
}

function breakers(status) {
  const told = [];
  for (const [name, breaker] of Object.entries(status.breakers ?? {})) {
    const { word, tone, why } = breakerStanding(breaker);
    if (breaker.state !== "closed") {
      const slow = `${breaker.slow} ${breaker.slow === 1 ? "was" : "were"} slow`;
      const figures = `${breaker.failures} of ${breaker.requests} attempts failed, ${slow}`;
      const because = breaker.requests > 0 ? figures : breaker.why_open;
      const reason = breaker.forced === "auto" && because ? `${why}; ${because}` : why;
      told.push(say(`breaker ${name}`, tone, `Breaker ${name} is ${word}`, reason, name, 1e6));
    } else if (breaker.forced === "close") {
      told.push(say(`breaker ${name}`, "warn", `Breaker ${name} is held closed`, why, name, 1));
    }
  }
  return told;
}

function endpoints(status) {
  const told = [];
  for (const upstream of status.upstreams ?? []) {
    for (const endpoint of upstream.endpoints ?? []) {
      const { word, tone, why } = standing(endpoint);
      if (tone !== "good") told.push(say(`endpoint ${endpoint.name}`, tone, `Endpoint ${endpoint.name} is ${word}`, why, null, 1e5));
      const waiting = endpoint.pool?.waiting ?? 0;
      if (waiting > 0) {
        told.push(say(`pool ${endpoint.name}`, "warn", `${counted(waiting, "attempt")} wait for a connection to ${endpoint.name}`, "its pool is used up", null, waiting));
      }
    }
    for (const [name, policy] of Object.entries(upstream.policies ?? {})) {
      if (policy.held > 0) {
        told.push(say(`hold ${name}`, "warn", `${counted(policy.held, "request")} of ${policy.max_requests} held`, `no endpoint of ${upstream.name} for ${left(policy.seconds)}`, name, policy.held));
      }
    }
  }
  return told;
}

// One rule may refuse on many routes: that is one thing that is wrong, not many.
function refused(routes) {
  const found = new Map();
  for (const { refused: refusals } of routes) {
    for (const { rule, reason, shadow, rate, route } of refusals) {
      if (!(rate > 0)) continue;
      const key = `refused ${rule} ${reason} ${shadow}`;
      const one = found.get(key) ?? { key, rule, reason, shadow, rate: 0, routes: [] };
      one.rate += rate;
      one.routes.push(route === "-" ? "no route" : route);
      found.set(key, one);
    }
  }
  return [...found.values()].map(({ key, rule, reason, shadow, rate, routes: names }) => {
    const where = names.length > NAMED ? `${names.slice(0, NAMED).join(", ")} and ${names.length - NAMED} more` : names.join(", ");
    const verb = reason === GONE ? "left" : shadow ? "would be refused" : "refused";
    const what = `${perSecond(rate)} a second ${verb}${rule ? ` by ${rule}` : ""}: ${reason}`;
    const tone = shadow ? "note" : gravity(reason);
    return { ...say(key, tone, what, `${meaning(reason)} (on ${where})`, rule || null, steady(rate)), reason };
  });
}

function failing(routes) {
  const told = [];
  for (const { route, requests, failures, refused: refusals, starved } of routes) {
    // What Sidecar refuses is told by its rule; the rest is the backend's own.
    const own = refusals.reduce((all, one) => all + (one.shadow || isOfTheCaller(one.reason) ? 0 : one.rate ?? 0), 0);
    const foreign = (failures ?? 0) - own;
    if (requests > 0 && foreign / requests >= MANY_ERRORS) {
      const what = `${percent(foreign / requests)} of the answers of ${route.name} are 5xx of the backend`;
      told.push(say(`errors ${route.name}`, "warn", what, `${perSecond(foreign)} a second, passed on`, null, steady(foreign)));
    }
    if (starved > 0) {
      const why = "the retry budget is used up: more fails than retries can mend";
      told.push(say(`budget ${route.name}`, "warn", `${perSecond(starved)} retries a second of ${route.name} are not made`, why, `${route.name}/retry`, steady(starved)));
    }
  }
  return told;
}

function isOfTheCaller(reason) {
  return reason === "rate_limited" || gravity(reason) === "note";
}

// Lines that change places with each look cannot be read: a rate moves its line when it doubles.
function steady(rate) {
  return Math.floor(Math.log2(rate));
}

function say(key, tone, what, why, rule, weight) {
  return { key, tone, what, why, rule, weight, reason: null };
}
