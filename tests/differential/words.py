"""The words that requests are made of: plain ones, and those that readers have disagreed about.

Owns the lists. A list of two has the plain words first. Long values are written as products where they are made.
"""

from __future__ import annotations

# fmt: off
METHODS = (
    b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE",
), (
    b"get", b"Post", b"TRACE", b"PROPFIND", b"QUERY", b"M-SEARCH", b"X!#$%&'*+.^_`|~", b"CONNECT", b"PRI", b"G\x00T",
    b"GE T", b"", b" GET", b"\tGET", b"A" * 40, b"GET\xff", b"G:T", b"G\"T",
    b"(GET)", b"SOURCE", b"BREW", b"0",
)
TARGETS = (
    b"/", b"/a/b?c=d", b"/index.html", b"/x?y",
), (
    b"//", b"//a/b", b"/./a", b"/../a", b"/a/../../b", b"/a/..;/b", b"/a%2fb", b"/a%2Fb/%2e%2e/c", b"/%00", b"/%",
    b"/%zz", b"/a%0d%0aX: y", b"/?", b"/??", b"/?a?b", b"/a?b=c&d=%20+", b"/a#b", b"/?a#b", b"/a b", b"/a\tb",
    b"/\x7f", b"/\xe9", b"/\xff\xfe", b"/\x01", b"/a\\b", b"/a\\..\\b", b"/<>\"{}|^`", b"/a;b=c", b"/a,b", b"/[x]",
    b"/~u", b"/:80", b"/@h", b"*", b"*?x", b"/*", b"", b"a", b"?x", b".", b"a/b", b"h:80", b"http://h", b"http://h/",
    b"http://h?x", b"http://h:80/a?b", b"HTTP://H/a", b"https://h/a", b"http://u@h/a", b"http://u:p@h:1/a",
    b"http://[::1]/a", b"http://[::1]:80/", b"http://[::1/", b"http://h:99999/", b"http://h:/a", b"http://:80/a",
    b"http:///a", b"http:/a", b"ftp://h/a", b"ws://h/a", b"http://h#f", b"http://h/../a", b"http://h\\a/b",
    b"http://a,b/",
    b"/" + b"a" * 300,
    b"/" + b"%41" * 40,
    b"/a/./b/../c", b"/.", b"/..", b"/...", b"/%2e%2e/", b"/%u0041", b"/a=b&c", b"/$&+,;=:@!'()", b"/a%", b"/a?%",
    b"/\xc3\xa9", b"///", b"/a//b///c",
)
VERSIONS = (
    b"HTTP/1.1",
), (
    b"HTTP/1.0", b"HTTP/1.0", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/1.9", b"HTTP/2.0", b"HTTP/2", b"HTTP/0.9", b"http/1.1",
    b"Http/1.1", b"HTTP/1.10", b"HTTP/01.1", b"HTTP/1.1 ", b" HTTP/1.1", b"HTTP/1,1", b"HTTP/1", b"HTTP/11",
    b"HTTPS/1.1", b"HTTP /1.1", b"HTTP/ 1.1", b"HTTP/1.1\t", b"HTTP/1.1\x00", b"", b"ICY/1.1", b"HTTP/1.1x",
    b"HTTP/3.0", b"HTTP/1.-1",
)
HOSTS = (
    b"h", b"example.com", b"example.com:8080",
), (
    b"", b"h:", b"h:0", b"h:65535", b"h:65536", b"h:999999", b"h:-1", b"h:8o", b":80", b"[::1]", b"[::1]:80", b"[::1",
    b"::1", b"[v1.a]", b"[fe80::1%25eth0]", b"u@h", b"u:p@h", b"h/a", b"h?a", b"h#a", b"h a", b"h,i", b"h, i",
    b"h\\a", b"H", b"H.EX", b"h.", b".h", b"-h", b"h..i", b"a_b", b"%68", b"%00", b"h\xe9", b"\xc3\xa9", b"1.2.3.4",
    b"127.1", b"0x7f.1", b"h;a", b"h'", b"h\"", b"<h>", b"h|i", b"h^", b"h`", b"{h}", b"h*", b"h(i)", b"h$", b"h&i=j",
    b"!h", b"h+i", b"h~", b"h\x00", b"h\x7f", b"h\ti", b"http://h", b"h:80:90", b"[::1]x", b"[::1]:", b"[]", b"[]:80",
    b"[1.2.3.4]",
    b"a" * 260,
)
LENGTHS = (
    b"5", b"5", b"0", b"3", b"05", b"0005", b"+5", b"-5", b"-0", b"5,5", b"5, 5", b"5,6", b"5 5", b"5\t", b" 5",
    b"5 ;", b"5;a", b"0x5", b"5.0", b"5e0", b"5_0", b"", b" ", b"\x0b5", b"\x0c5", b"5\x00", b"\xb2", b"\xef\xbc\x95",
    b"'5'", b"\"5\"", b"five", b"9223372036854775807", b"9223372036854775808", b"18446744073709551621", b"4294967301",
    b"00000000000000000005", b"1e1", b",5", b"5,", b"5,,5", b"0,5", b"5\r\n 5", b"NaN", b"0b101", b"010", b"5\x0b",
    b"5\xa0",
)
CODINGS = (
    b"chunked", b"chunked", b"chunked", b"Chunked", b"CHUNKED", b" chunked ", b"\tchunked\t", b"chunked,",
    b",chunked", b"chunked,,", b"chunked, chunked", b"identity", b"chunked, identity", b"identity, chunked",
    b"gzip, chunked", b"chunked, gzip", b"gzip", b"xchunked", b"chunkedx", b"chunked;q=1", b"chunked;",
    b"chunked; a=b", b"\"chunked\"", b"'chunked'", b"chunke", b"chunk\x00ed", b"\x0bchunked", b"chunked\x0b",
    b"chunked\x0c", b"chunked\xa0", b"\xa0chunked", b"", b" ", b"chu nked", b"ch\xc5\xabnked", b"cow",
    b"chunked\r\n ", b"\r\n chunked", b"trailers", b"deflate;q=0.5, chunked", b"null", b"chunked \x00", b"chunKed",
    b"chun\xe2\x84\xaaed",
)
CONNECTIONS = (
    b"keep-alive", b"close", b"Close", b"Keep-Alive", b"close, keep-alive", b"keep-alive, close", b"", b",", b"x-a",
    b"X-A, close", b"upgrade", b"Upgrade, keep-alive", b"TE", b"te, close", b"host", b"content-length",
    b"transfer-encoding", b"cookie", b"authorization", b"x-forwarded-for", b"connection", b"a b", b"close;q=1",
    b"\"close\"", b"close\x00", b"x-a, x-b", b"accept", b"expect", b"via", b"http2-settings, upgrade", b"trailer",
    b"keep-alive,", b"close close", b"content-type", b"x-request-id", b"range", b"\xe9", b":",
)
NAMES = (
    b"Accept", b"X-A", b"X-B", b"Cookie", b"Authorization", b"User-Agent", b"Content-Type", b"Range",
), (
    b"x_a", b"Content_Length", b"Transfer_Encoding", b"X-Forwarded-For", b"X_Forwarded_For", b"X-Real-IP",
    b"Forwarded", b"Via", b"Host", b"TE", b"Trailer", b"Proxy-Connection", b"Proxy-Authorization", b"Keep-Alive",
    b"Upgrade", b"Max-Forwards", b"X-Request-Id", b"traceparent", b"If-Match", b"If-None-Match", b"Idempotency-Key",
    b"X-HTTP-Method-Override", b"X-Original-URL", b"Referer", b"Content-Encoding", b"Accept-Encoding", b"Date",
    b"Origin", b"!#$%&'*+-.^_`|~", b"0",
    b"a" * 200,
    b"content-length", b"TRANSFER-ENCODING", b"Transfer-Encoding ", b" Transfer-Encoding", b"\tX-A", b"X-A ",
    b"X-A\t", b"X A", b"", b"X\x00A", b"X\xe9", b"X(A)", b"X[A]", b"X\"A", b"X/A", b"X@A", b"X\x0bA", b"X\x7f",
    b"X\\A", b"X{A}", b"X,A", b"X;A", b"X=A", b"X?A", b"Content-Length\x00", b"\x00Host", b"Transfer\xadEncoding",
    b"Set-Cookie", b"Cookie2", b"X-Sidecar-Attempt", b"X-Forwarded-Host", b"X-Forwarded-Proto", b":path", b":method",
    b"Sec-WebSocket-Key",
)
VALUES = (
    b"a", b"text/plain", b"a=b; c=d", b"Bearer x",
), (
    b"", b" ", b"\t", b" a ", b"a  b", b"a\tb", b"a\x00b", b"a\rb", b"a\nb", b"a\x0bb", b"a\x0cb", b"a\x1bb",
    b"a\x7fb", b"\xff\xfe", b"\xc3\xa9", b"\xa0", b"\x85", b"a\r", b"\ra", b"a\n", b"\na", b"a, b", b",", b"a,,b",
    b"\"a, b\"", b"\"a", b"a;b=c", b":", b"::", b"a:b", b"<x>", b"{}",
    b"a" * 500,
    b"%0d%0a", b"a\r\n b", b"a\r\n\tb", b"a\r\n \r\n b", b"a\r\nX-Y: z", b"127.0.0.1", b"1.2.3.4, 5.6.7.8",
    b"trailers", b"trailers, deflate;q=0.5", b"websocket", b"h2c", b"HTTP/2.0", b"a/b, c/d", b"\x80", b"\\", b"'",
    b"(a(b))", b"bytes=0-1,2-3", b"\x01\x02", b"chunked", b"5", b"a\r\n\r\nb", b"a\n b", b"a\n\nGET / HTTP/1.1\n",
    b"a\r\rb", b"\x00", b"a\x00",
)
SIZES = (
    b"5", b"5", b"05", b"0000005", b"5;a", b"5;a=b", b"5;a=\"b\"", b"5;a=\"b;c\"", b"5;a=\"\\\"\"", b"5;", b"5;;",
    b"5; a = b", b"5 ;a", b"5 ", b"5\t", b" 5", b"+5", b"-5", b"0x5", b"0X5", b"5,", b"5.0", b"g", b"", b"5\x00",
    b"5;a\x00", b"5;a\rb", b"5;a\nb", b"5;\xff", b"5;a\x7f", b"5\x0b", b"00000000000000005", b"fffffffffffffffff",
    b"ffffffffffffffff", b"100000005", b"10000000000000005", b"5_", b"\xef\xbc\x95",
    b"5;" + b"a" * 300,
    b"5:a", b"5#", b"5\r",
)
ENDS = (
    b"\r\n",
), (
    b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\r\n", b"", b" \r\n", b"\x00\r\n", b"\r\n ", b"\x0b\r\n", b"\x85\r\n",
)
AFTER = (
    b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n", b"POST /next HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
    b"\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n", b"\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n",
    b"\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n", b"X", b"\r\n", b"\x00", b"GET ",
)
TRAILERS = (
    b"", b"", b"", b"X-T: 1\r\n", b"Content-Length: 9\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: evil\r\n",
    b"X-T : 1\r\n", b" X-T: 1\r\n", b"X-T\r\n", b": 1\r\n", b"X-T: a\x00\r\n", b"X-T: a\rb\r\n",
    b"X-T: 1\nX-U: 2\r\n", b"X-T: 1\r\n b\r\n", b"Authorization: x\r\n", b"X-T: \xff\r\n",
)
# fmt: on
