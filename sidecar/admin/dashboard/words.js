// How numbers are written, what each reason means (docs/answers.md), and the shape of each tone. Pure.

export const NONE = "–";

/** A shape for each tone: nobody has to tell colours apart. */
export const SIGNS = { bad: "▲", warn: "◆", note: "○", good: "●" };

/** A rate: 0, 0.3, 12.5, 340, 12.3k. */
export function perSecond(value) {
  if (value === null || value === undefined) return NONE;
  if (value === 0) return "0";
  if (value < 0.05) return "<0.1";
  if (value < 99.95) return value.toFixed(1);
  return count(Math.round(value));
}

/** A count: 7, 4,512, 12.3k, 4.56M. */
export function count(value) {
  if (value === null || value === undefined) return NONE;
  if (value < 10_000) return value.toLocaleString("en");
  if (value < 999_950) return `${(value / 1e3).toFixed(1)}k`;
  return `${(value / 1e6).toFixed(2)}M`;
}

/** A share, as percent. */
export function percent(ratio) {
  if (ratio === null || ratio === undefined) return NONE;
  if (ratio === 0) return "0 %";
  if (ratio < 0.001) return "<0.1 %";
  return `${ratio < 0.0995 ? (ratio * 100).toFixed(1) : Math.round(ratio * 100)} %`;
}

/** A short time: 0.4 ms, 12 ms, 1.25 s. */
export function seconds(value) {
  if (value === null || value === undefined) return NONE;
  const ms = value * 1000;
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  return `${value.toFixed(value < 9.995 ? 2 : 1)} s`;
}

/** A long time: 42 s, 3 m 20 s, 5 h 1 m, 12 d 3 h. */
export function age(value) {
  const all = Math.max(0, Math.floor(value));
  const parts = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
  const first = parts.findIndex(([, size]) => all >= size);
  if (first < 0) return "0 s";
  const [unit, size] = parts[first];
  const [next, smaller] = parts[first + 1] ?? [];
  const rest = smaller ? Math.floor((all % size) / smaller) : 0;
  return rest ? `${Math.floor(all / size)} ${unit} ${rest} ${next}` : `${Math.floor(all / size)} ${unit}`;
}

/** What is left, rounded up, so that it ends with 1 s. */
export function left(value) {
  return age(Math.ceil(value));
}

/** Bytes in MiB. */
export function mebibytes(value) {
  return `${Math.round(value / 1048576)} MiB`;
}

/** A time of day, from Unix seconds. */
export function clock(unix) {
  const at = new Date(unix * 1000);
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}

/** 1 thing, 2 things. */
export function counted(number, thing) {
  return `${count(number)} ${thing}${number === 1 ? "" : "s"}`;
}

/** Any value of a snapshot. */
export function plain(value) {
  if (value === null || value === undefined) return NONE;
  if (Array.isArray(value)) return value.length ? value.map(plain).join(", ") : NONE;
  if (typeof value === "object") {
    return Object.entries(value).map(([key, one]) => `${key} ${plain(one)}`).join(", ") || NONE;
  }
  return String(value);
}

// The meaning of a reason, and how bad it is that it is given: "bad" where the service fails, "warn" where a limit does
// its work, "note" where the caller is to blame.
const REASONS = {
  bad_request: ["note", "the request is not valid HTTP, or not in one way only"],
  uri_too_long: ["note", "the target is longer than 8 KiB"],
  headers_too_large: ["note", "the head outgrows max_header_bytes or max_headers"],
  body_too_large: ["note", "the body outgrows max_body_bytes"],
  header_timeout: ["note", "the head of the request did not arrive in time"],
  body_timeout: ["note", "the body of the request stopped arriving"],
  no_route: ["note", "no route matches"],
  max_forwards: ["note", "as far as Max-Forwards lets it go"],
  rate_limited: ["warn", "a rate limit has no token for this caller; Retry-After says when it has"],
  concurrency_limited: ["warn", "every place of the route is taken, and its queue is full or was too slow"],
  circuit_open: ["bad", "a circuit breaker is open: too many attempts failed or were slow"],
  fault_injected: ["warn", "a fault made on purpose by a rule"],
  no_endpoint: ["bad", "the upstream has no endpoint that may be tried"],
  overloaded: ["bad", "no connection, descriptor or memory was left in time"],
  connect_failure: ["bad", "the endpoint refused the connection or could not be reached"],
  connect_timeout: ["bad", "the endpoint did not accept within connect_timeout"],
  tls_handshake_failed: ["bad", "the endpoint does not speak TLS, or not in a way that both sides allow"],
  certificate_expired: ["bad", "the certificate of the endpoint has expired, or is not valid yet"],
  certificate_wrong_name: ["bad", "the certificate of the endpoint is for another name"],
  certificate_untrusted: ["bad", "the certificate of the endpoint is of an authority that is not believed"],
  reset: ["bad", "the endpoint closed the connection before its answer was complete"],
  upstream_protocol_error: ["bad", "the answer of the endpoint is not valid HTTP"],
  attempt_timeout: ["bad", "no head of an answer within timeout.attempt"],
  request_timeout: ["bad", "no answer within timeout.request, or within what the caller allowed"],
  internal_error: ["bad", "a bug in Sidecar; its log has the traceback"],
  draining: ["warn", "the proxy shuts down, and its deadline has passed"],
  downstream_gone: ["note", "the caller left before it was answered"],
};

/** What a reason means; empty for one that is not known. */
export function meaning(reason) {
  return REASONS[reason]?.[1] ?? "";
}

/** How bad it is that a reason is given: `bad`, `warn` or `note`. */
export function gravity(reason) {
  return REASONS[reason]?.[0] ?? "warn";
}
