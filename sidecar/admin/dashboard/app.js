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
// A look that takes long costs the process something: nine tenths of the time it is left alone.
const REST = 9;
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
  try {
    const answer = await fetch("status", { signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const status = await answer.json();
    const now = performance.now();
    seen = now;
    if (history.add(status, status.time ?? now / 1000)) events.restart();
    else events.follow();
    draw(status);
    header.live(true, 0);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof DOMException || error instanceof SyntaxError || /^status /.test(error.message))) throw error;
    header.live(false, seen === null ? null : (performance.now() - seen) / 1000);
    sum.miss();
  } finally {
    looking = false;
    timer = document.hidden ? 0 : setTimeout(look, Math.max(PACE, REST * (performance.now() - begun)));
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
