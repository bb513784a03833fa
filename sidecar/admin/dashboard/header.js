// The head of the page: what process this is, how it stands, and whether what is shown is still so.

import { byId, make, mark, Rows, write } from "./dom.js";
import { draining } from "./alarms.js";
import { age, clock, count, left, mebibytes, seconds } from "./words.js";

const LAG_WORTH_SAYING = 0.1;

export class Header {
  #facts = new Rows(byId("facts"), (name) => {
    const value = make("dd");
    return {
      node: make("div", {}, make("dt", { text: name }), value),
      update({ text, title = "", tone = null }) {
        write(value, text);
        mark(value, "title", title || text);
        mark(value, "data-tone", tone);
      },
    };
  });

  /** The figures of a look. */
  show(status) {
    write(byId("version"), status.version ?? "");
    document.title = `${title(status)} – Sidecar`;
    const phase = draining(status.drain);
    state("phase", status.phase === "serving" && !phase ? "good" : "warn", phase ? `draining: ${phase}` : status.phase ?? "");
    const reasons = status.not_ready ?? [];
    state("ready", reasons.length ? "bad" : "good", reasons.length ? "not ready" : "ready", reasons.join("\n"));
    this.#facts.show(Object.entries(facts(status)));
  }

  /** Whether the last look succeeded; `since` seconds ago the last one did, null for never. */
  live(fresh, since) {
    mark(document.body, "data-stale", fresh ? null : "");
    if (fresh) state("live", "good", "live");
    else state("live", "bad", since === null ? "no answer" : `stale: no answer for ${left(since)}`, "What is shown is what was. The page goes on asking.");
    if (!fresh) document.title = "no answer – Sidecar";
  }
}

function title(status) {
  if (status.not_ready?.length) return "not ready";
  return Object.values(status.breakers ?? {}).some((one) => one.state === "open" && !one.shadow) ? "breaker open" : "ready";
}

function state(id, tone, text, title = "") {
  const node = byId(id);
  mark(node, "data-tone", tone);
  mark(node, "title", title || null);
  write(node, text);
}

function facts(status) {
  const rules = status.rules ?? {};
  const side = (one) => `${count(one?.active ?? 0)} busy, ${count(one?.idle ?? 0)} idle`;
  const told = {
    up: { text: age(status.uptime_seconds ?? 0) },
    rules: {
      text: `generation ${rules.generation} · ${String(rules.hash ?? "").slice(0, 8)}`,
      title: `${rules.file ?? "no file"}\n${rules.hash ?? ""}`,
    },
    file: { text: rules.file ?? "none" },
    "last reload": lastReload(status.reload?.last),
    "loop lag": { text: seconds(status.loop_lag_seconds), tone: status.loop_lag_seconds > LAG_WORTH_SAYING ? "warn" : null },
    clients: { text: side(status.connections?.downstream) },
    endpoints: { text: side(status.connections?.upstream) },
  };
  const memory = status.pressure?.memory;
  if (memory) {
    const limit = memory.limit_bytes ? ` of ${mebibytes(memory.limit_bytes)}` : "";
    told.memory = { text: `${mebibytes(memory.resident_bytes)}${limit}`, tone: memory.shedding ? "bad" : null };
  }
  const descriptors = status.pressure?.descriptors;
  if (descriptors) told.descriptors = { text: `${count(descriptors.needed)} of ${count(descriptors.for_connections)}` };
  if (status.workers?.length) {
    const serving = status.workers.filter((one) => one.phase === "serving").length;
    told.workers = {
      text: `${serving} of ${status.workers.length} serving`,
      title: status.workers.map((one) => `${one.slot}: pid ${one.pid}, ${one.phase}, ${one.restarts} restarts`).join("\n"),
      tone: serving < status.workers.length ? "warn" : null,
    };
  }
  const listeners = status.listeners ?? [];
  told.listening = {
    text: listeners.map((one) => (one.tls ? `${one.address} (TLS)` : one.address)).join(", ") || "nowhere",
    title: listeners.map(doorway).join("\n"),
  };
  if (status.compiled === false) told.build = { text: "interpreted", title: "The hot modules are not compiled." };
  return told;
}

// Who is in by a listener, and who came no further than to it, by why.
function doorway({ name, address, connections, proxy_headers: headers = {}, tls }) {
  const tally = (what, counts) => Object.entries(counts).map(([result, often]) => `, ${what} ${result} ${count(often)}`).join("");
  return `${name} at ${address}: ${count(connections)} open${tally("PROXY header", headers)}${tally("handshakes", tls?.handshakes ?? {})}`;
}

function lastReload(last) {
  if (!last) return { text: "none since the start" };
  const problems = last.problems ?? [];
  const text = problems.length ? `failed: ${problems[0]}${problems.length > 1 ? ` and ${problems.length - 1} more` : ""}` : last.result;
  return {
    text: `${clock(last.time)} ${text}`,
    title: [`${last.why}: ${last.result}`, ...problems, ...(last.changes ?? [])].join("\n"),
    tone: last.result === "failed" ? "bad" : null,
  };
}
