"""What the languages under attack are made of: for libFuzzer's dictionaries, and for mutations that insert words."""

from __future__ import annotations

from sidecar.wire.fieldnames import NAMES

_STARTS = (
    b"GET / HTTP/1.1\r\nHost: a\r\n", b"OPTIONS * HTTP/1.1\r\n", b"PUT http://a/ HTTP/1.1\r\n", b" HTTP/1.0\r\n",
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.0 204 \r\n", b"HTTP/1.1 101 \r\n", b"HEAD ",
)  # fmt: skip
_LINES = (
    b"Host: b\r\n", b"Content-Length: 5\r\n", b"Content-Length: 05\r\n", b"Content-Length: +5\r\n",
    b"Content-Length: 5, 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: chunked, chunked\r\n",
    b"Transfer-Encoding : chunked\r\n", b"Transfer-Encoding:\tchunked\r\n", b"Transfer_Encoding: chunked\r\n",
    b"Connection: close\r\n", b"Connection: keep-alive, x-a\r\n", b"Connection: Upgrade, HTTP2-Settings\r\n",
    b"Upgrade: websocket\r\n", b"Upgrade: h2c\r\n", b"TE: trailers, gzip\r\n", b"Expect: 100-continue\r\n",
    b"X_Forwarded_Client_Cert: a\r\n", b"Trailer: x-a\r\n", b"X-A: 1\r\n", b"Via: 1.0 a\r\n",
)  # fmt: skip
_MARKS = (
    b"\r\n",
    b"\r\n\r\n",
    b"\r",
    b"\n",
    b"\r\n ",
    b"\t",
    b"\0",
    b"\x0b",
    b"\x7f",
    b"\xff",
    b": ",
    b" :",
    b",",
    b";",
)

_NAMES = tuple(name + b": " for name in NAMES if name)

HEADS = (*_STARTS, *_LINES, *_MARKS, *_NAMES, b"[::1]:8", b"\x85", b"#", b"?", b"@")
CHUNKS = (
    b"0\r\n\r\n", b"5\r\nhello\r\n", b"0\r\nX-A: 1\r\n\r\n", b"1;a=b\r\n", b"5 \r\n", b"0x5\r\n", b"-1\r\n",
    b"00000005\r\n", b"ffffffffffffffff\r\n", b"7fffffffffffffff\r\n", b"10000000000000000\r\n", b"5\n", b"\r\n",
    b"\n", b";", b'="\r\n"',
)  # fmt: skip
PATHS = (
    b"/", b"//", b"/..", b"/.", b"/;a=b", b"%2e", b"%2E%2e", b"%2f", b"%5c", b"\\", b"%61pi", b"/api", b"/api/a",
    b"%25", b"%00", b"%0d%0a", b"?", b"http://", b"https://a:1", b"*", b"[::1]", b"@", b"#", b"%", b"%zz", b";",
    b"x%20y",
)  # fmt: skip
FORWARDED = (
    b"X-Forwarded-For: ", b"Forwarded: ", b"X-Forwarded-Proto: https\r\n", b"X-Forwarded-Host: b\r\n", b"for=",
    b'for="[::1]"', b'for="[2001:db8::1]:443"', b";proto=https", b";host=b", b"for=_hidden", b"for=unknown",
    b"10.0.0.1", b"fd00::2", b"::ffff:10.0.0.1", b"203.0.113.1:80", b"fe80::1%eth0", b", ", b'"', b'\\"', b"\\",
    b"\r\n", b";", b"=", b"\xb2", b"010.0.0.1",
)  # fmt: skip
_TRACE, _SPAN = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"
TRACES = (
    b"traceparent: 00-" + _TRACE + b"-" + _SPAN + b"-01\r\n", b"tracestate: a=1,b=2\r\n", b"b3: 0\r\n", b"b3: d\r\n",
    b"b3: " + _TRACE + b"-" + _SPAN + b"-1\r\n", b"b3: " + _TRACE + b"-" + _SPAN + b"-d-" + _SPAN + b"\r\n",
    b"X-B3-TraceId: " + _TRACE + b"\r\n", b"X-B3-SpanId: " + _SPAN + b"\r\n",
    b"X-B3-ParentSpanId: " + _SPAN + b"\r\n", b"X-B3-Sampled: 1\r\n", b"X-B3-Flags: 1\r\n", b"X-Request-Id: a\r\n",
    b"Connection: b3, tracestate\r\n", b"0" * 16, b"\r\n", b"-", b"ff", b"Connection: traceparent\r\n",
)  # fmt: skip
KEYS = (
    b"Cookie: ", b"id=", b"id=7; ", b'id="a"', b";", b"X-Key: ", b"X-Gone: a\r\n", b"X-Set: b\r\n", b"X-Added: c\r\n",
    b"X-Absent: d\r\n", b"\r\n", b"=", b" ", b"\t", b"1:", b"a" * 65, b"Connection: cookie\r\n", b"\x85", b"\xff",
)  # fmt: skip
VALUES = (
    b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994", b"29 Feb",
    b"23:59:60", b"max-age=", b"s-maxage=1", b"no-cache", b'private="a, b"', b"stale-if-error=5", b'"', b"\\", b"10S",
    b"1H", b"99999999m", b"2147483648", b"9" * 20, b"*", b"close, keep-alive", b"websocket", b"h2c", b"HTTP/2.0",
    b",", b"=", b"+1", b"-1", b"1_0", b"\xb2", b"\n",
)  # fmt: skip
_V2 = b"\r\n\r\n\x00\r\nQUIT\n"
PROXY = (
    b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n", b"PROXY TCP6 2001:db8::1 ::ffff:1.2.3.4 1 2\r\n",
    b"PROXY UNKNOWN\r\n", b" 65535", b" 0", b"%eth0", b"\r\n", _V2, _V2 + b"\x21\x11\x00\x0c",
    _V2 + b"\x21\x21\x00\x24", _V2 + b"\x20\x00\x00\x00", b"\x03\x00\x04", b"\x04\x00\x00", b"\x05\x00\x81",
    b"\x21\x31\x00\xd8",
)  # fmt: skip
FRAMES = (
    b"\x81\x00", b"\x88\x02\x03\xe9", b"\x82\x7e\x00\x02", b"\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x01",
    b"\x81\x85abcd", b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"\x88\x80abcd", b"\x89\x00",
)  # fmt: skip
RULES = (
    b"version: 1\n", b"listeners:\n", b"upstreams:\n", b"routes:\n", b"defaults:\n", b"admin:\n", b"  - ", b"    ",
    b"name: ", b"match: {path: /api, methods: [GET]}\n", b"endpoints: [http://127.0.0.1:1]\n",
    b"retry: {attempts: 3, on: [reset]}\n", b"circuit_breaker: {}\n", b"rate_limits:\n",
    b"concurrency: {max: 5, queue: 2}\n", b"timeout: {request: 5s}\n", b"mode: shadow\n", b"hold: {for: 10s}\n",
    b"fallback: {static: {status: 503}}\n", b"ejection: {}\n", b"health_check: {path: /}\n", b"10ms", b"1.5h",
    b"100/s", b"5%", b"1KiB", b"${NAME}", b"${file:/x}", b"$$", b"&a ", b"*a", b"<<: ", b"!!int ", b"|\n", b"- {",
    b"}", b"[", b"]", b'"\\e[31m"', b"null", b"~", b"...\n", b"---\n", b"'", b": ", b"#", b"\t", b"\xc2\x85",
    b"\xef\xbb\xbf", b"{path}", b"0x10", b"nan", b"inf", b"1e999", b"-1", b"65536", b"unix:/a", b"tcp", b"[::1]:80",
    b"*.example.com",
)  # fmt: skip
MANIFESTS = (
    b"apiVersion: apps/v1\n", b"kind: Deployment\n", b"kind: Service\n", b"kind: List\n", b"metadata:\n  name: a\n",
    b"spec:\n", b"  template:\n", b"    spec:\n", b"      containers:\n", b"      - name: b\n", b"        image: c\n",
    b"        ports: [{containerPort: 80}]\n", b"---\n", b"...\n", b"items:\n", b"- ", b'{"kind": "Pod"}',
    b"annotations: {}\n", b"selector: {app: a}\n", b"labels: {app: a}\n", b"initContainers: []\n", b"&a ", b"*a",
    b"<<: ", b"!!binary ", b"|\n", b"{{ x }}", b"null", b"\r\n", b"\t", b"0o17", b"1e3", b'"\\u2028"',
    b"name: true\n", b"hostNetwork: true\n",
)  # fmt: skip
SCENARIOS = (
    b"name: a\n", b"about: b\n", b"duration: 40s\n", b"load: {rate: 100/s}\n", b"load:\n", b"  clients: 20\n",
    b"  body: 1KiB\n", b"  methods: {GET: 9, POST: 1}\n", b"  paths: {/: 1}\n", b"  gives_up: 20s\n", b"backend:\n",
    b"  places: 4\n", b"  takes: {median: 20ms, p99: 200ms}\n", b"script:\n",
    b"  - {at: 1s, for: 2s, do: refuse, endpoints: all}\n", b"do: flap, every: 2s", b"endpoints: [0, 2]",
    b"do: fail, status: 503, ratio: 0.5", b"do: slow, factor: 10", b"expect:\n", b"  client_errors: 0%\n",
    b"  avoidable: 0\n", b"  p99: 1s\n", b"1e9", b"nan", b"-1", b"101%", b"0s", b"\t", b": ", b"*a", b"&a ",
)  # fmt: skip
