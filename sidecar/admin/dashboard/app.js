// The page's heart: looks at /status each second and has every part show what it saw. Owns the pace. It shows nothing
// by itself, and keeps no more than the looks of the last seconds.

import { alarms } from "./alarms.js";
import { AlarmBox } from "./alarm_box.js";
import { Breakers } from "./breakers.js";
import { EventList } from "./events.js";
import { History, routeFigures, totals, upstreamFigures } from "./figures.js";
import { Header } from "./header.js";
import { Routes } from "./routes.js";
import { RulePanel } from "./rule.js";
import { Totals } from "./totals.js";
import { Upstreams } from "./upstreams.js";
import { wireVerbs } from "./verbs.js";
import { counted } from "./words.js";

const PACE = 1000;
// A look that takes long costs the process something: nine tenths of the time it is left alone, but never for long.
const REST = 9;
const LONGEST = 10_000;
const PATIENCE = 5000;

const history = new History();
const rule = new RulePanel();
const lookUp = (name, reason) => rule.open(name, reason);
const header = new Header();
const sum = new Totals();
const box = new AlarmBox(lookUp);
const routes = new Routes(lookUp);
const breakers = new Breakers(lookUp, look);
const upstreams = new Upstreams(lookUp, look);
const events = new EventList();

let seen = null; // when the last look succeeded, by performance.now()
let timer = 0;
let looking = false;

async function look() {
  clearTimeout(timer);
  if (looking) return;
  looking = true;
  const begun = performance.now();
  let rest = PACE; // whoever does not answer is asked again soon
  try {
    const status = await asked();
    const now = performance.now();
    if (status === null) {
      header.live(false, seen === null ? null : (now - seen) / 1000);
      sum.miss();
      return;
    }
    seen = now;
    rest = Math.min(LONGEST, Math.max(PACE, REST * (now - begun)));
    if (history.add(status, status.time ?? now / 1000, now / 1000)) events.restart();
    else events.follow();
    header.live(true, 0);
    draw(status);
  } finally {
    looking = false;
    timer = document.hidden ? 0 : setTimeout(look, rest);
  }
}

/** The status; null where none comes. */
async function asked() {
  try {
    const answer = await fetch("status", { signal: AbortSignal.timeout(PATIENCE) });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

function draw(status) {
  const view = history.view();
  const latest = history.view(true);
  const figures = (status.routes ?? []).map((route) => routeFigures(view, route));
  const told = alarms(view, figures);
  header.show(status);
  box.show(told, well(status));
  sum.show(totals(view, figures), totals(latest, (status.routes ?? []).map((route) => routeFigures(latest, route))));
  routes.show(figures);
  breakers.show(status.breakers);
  upstreams.show((status.upstreams ?? []).map((upstream) => upstreamFigures(view, upstream)));
  rule.show(status, figures);
}

function well(status) {
  const endpoints = (status.upstreams ?? []).flatMap((upstream) => upstream.endpoints ?? []).length;
  const closed = Object.keys(status.breakers ?? {}).length;
  return `All is well: nothing is refused, ${counted(endpoints, "endpoint")} up, ${counted(closed, "breaker")} closed.`;
}

// A page that nobody sees asks nothing.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) look();
});

wireVerbs();
look();
