"""What a client sends to be taken for somebody else, to get elsewhere than rules lead, or to cost more than it is."""

from __future__ import annotations

import gzip
import socket
import zlib
from itertools import product
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.runtime.routing import Router
from sidecar.wire.caching import cache_directives
from sidecar.wire.clientip import TrustedNetworks, client_ip
from sidecar.wire.forwarded import forwarded_line, last_proto
from sidecar.wire.head import parse_request
from sidecar.wire.message import HeadLimits
from sidecar.wire.origin import Origin
from tests.doubles.backend import Backend, Call
from tests.doubles.running import rules_text, running
from tests.runtime.requests import Request, match_rule, route

FORGED = b"6.6.6.6"
# What a stranger says, and which field of the request nobody may find it in.
CLAIMS = {
    "its address": ("Forwarded: for=6.6.6.6", "forwarded"),
    "its address, by an underscore": ("X_Forwarded_For: 6.6.6.6", "x_forwarded_for"),
    "its address, by one underscore": ("X-Forwarded_For: 6.6.6.6", "x-forwarded_for"),
    "the scheme": ("X-Forwarded-Proto: 6.6.6.6", "x-forwarded-proto"),
    "the scheme, by underscores": ("X_FORWARDED_PROTO: 6.6.6.6", "x_forwarded_proto"),
    "the host": ("X-Forwarded-Host: 6.6.6.6", "x-forwarded-host"),
    "the host, by underscores": ("x_forwarded_host: 6.6.6.6", "x_forwarded_host"),
    "its certificate": ("X-Forwarded-Client-Cert: 6.6.6.6", "x-forwarded-client-cert"),
    "its certificate, by underscores": ("X_Forwarded_Client_Cert: 6.6.6.6", "x_forwarded_client_cert"),
    "the number of the attempt": ("X-Sidecar-Attempt: 6.6.6.6", "x-sidecar-attempt"),
    "the attempt, by underscores": ("X_Sidecar_Attempt: 6.6.6.6", "x_sidecar_attempt"),
    "a deadline that is none": ("X-Request-Timeout-Ms: 6.6.6.6", "x-request-timeout-ms"),
    "credentials of a proxy": ("Proxy-Authorization: 6.6.6.6", "proxy-authorization"),
    "a user that a rule sets": ("X-User: 6.6.6.6", "x-user"),
    "a user that a rule sets, by an underscore": ("X_User: 6.6.6.6", "x_user"),
    "what a rule removes, by an underscore": ("X_Internal: 6.6.6.6", "x_internal"),
}


@pytest.mark.parametrize("claim", CLAIMS)
async def test_what_a_stranger_claims_reaches_no_backend(claim: str) -> None:
    line, field = CLAIMS[claim]
    rules = "request_headers: {set: {x-user: nobody}, remove: [x-internal]}"
    async with Backend() as backend, running(rules=rules_text(backend.url, route=rules)) as proxy:
        assert (await proxy.ask("/", line)).status == 200
        (request,) = backend.requests
        assert FORGED not in b", ".join(request.all(field))
        assert request.all("x-user") == [b"nobody"]
        assert request.all("x-forwarded-for") == [b"127.0.0.1"]


@pytest.mark.parametrize(
    "named", ["Host", "Content-Length", "X-Forwarded-For", "x-forwarded-proto", "Forwarded", "Via", "Transfer-Encoding"]
)
async def test_connection_takes_away_nothing_that_says_who_asks_or_where_a_message_ends(named: str) -> None:
    async with Backend() as backend, running(backend.url) as proxy:
        answer = await proxy.ask("/", f"Connection: close, {named}")
        assert (answer.status, backend.requests) == (400, [])


TARGETS = {
    "another host": b"GET http://169.254.169.254/latest HTTP/1.1\r\nHost: test\r\n\r\n",
    "another host by Host": b"GET /latest HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n",
    "another port of ours": b"GET http://127.0.0.1:9901/config HTTP/1.1\r\nHost: 127.0.0.1:9901\r\n\r\n",
    "an upgrade to HTTP/2": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n",
}


@pytest.mark.parametrize("way", TARGETS)
async def test_whatever_is_asked_for_only_an_endpoint_of_the_rules_is_asked(way: str) -> None:
    async with Backend() as backend, Backend() as other, running(backend.url) as proxy, proxy.peer() as peer:
        data = TARGETS[way].replace(b"9901", b"%d" % int(other.url.rpartition(":")[2]))
        assert (await peer.ask(data)).status == 200
        (request,) = backend.requests
        assert other.requests == []
        assert request.head.split(b" ")[1].startswith(b"/")
        assert (request.get("upgrade"), request.get("http2-settings")) == (None, None)


@pytest.mark.parametrize(
    "data",
    [
        b"CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: 169.254.169.254:80\r\n\r\n",
        b"GET http://user@169.254.169.254/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET file:///etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET gopher://127.0.0.1:6379/_x HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
async def test_a_way_to_elsewhere_is_refused_and_nobody_is_asked(data: bytes) -> None:
    async with Backend() as backend, running(backend.url) as proxy, proxy.peer() as peer:
        assert (await peer.ask(data)).status == 400
        assert backend.requests == []


# How backends differ in reading a path: what is a slash to them, what `;` means, and whether dot segments are resolved
# as they stand, once decoded, or not at all.
def reading(path: bytes, escaped: bool, backslash: bool, parameters: bool, dots: str, merged: bool) -> bytes:
    for slash, means in ((b"%2f", escaped), (b"%2F", escaped), (b"\\", backslash), (b"%5c", backslash and escaped)):
        path = path.replace(slash, b"/") if means else path
    kept: list[bytes] = []
    for piece in path[1:].split(b"/"):
        name = piece.partition(b";")[0] if parameters else piece
        seen = unquote_to_bytes(name) if dots == "decoded" else name
        if dots != "kept" and seen == b"..":
            kept[-1:] = []
        elif dots != "kept" and seen == b".":
            continue
        elif piece or not merged:
            kept.append(name)
    return b"/" + b"/".join(kept)


PIECES = [
    b"admin",
    b"public",
    b"x",
    b"..",
    b".",
    b"%2e%2e",
    b".%2E",
    b"..;a",
    b"%2e%2e;",
    b"admin;v=1",
    b"",
    b"%61dmin",
]
PATHS = st.lists(
    st.tuples(st.sampled_from([b"/", b"/", b"%2f", b"\\", b"//", b"%5c"]), st.sampled_from(PIECES)), max_size=7
)
ROUTER = Router([route(name, match_rule(name)) for name in ("/admin", "/public", "/")])


@given(PATHS)
def test_no_spelling_of_a_path_is_one_route_to_the_rules_and_anothers_place_to_a_backend(
    pieces: list[tuple[bytes, bytes]],
) -> None:
    path = b"/" + b"".join(slash + piece for slash, piece in pieces)[1:]
    found = ROUTER.match(Request(path))
    if found is None:
        assert b".." in unquote_to_bytes(path), "nothing else is refused"
        return
    both = (False, True)
    for way in product(both, both, both, ("kept", "plain", "decoded"), both):
        seen = unquote_to_bytes(reading(path, *way)).lstrip(b"/").partition(b"/")[0]
        # What a backend finds below /admin or /public has met that route. The other way round costs nobody anything.
        if seen in (b"admin", b"public"):
            assert found.name == f"/{seen.decode()}", (path, way)


async def test_a_path_of_two_readings_is_refused_before_any_backend_sees_it() -> None:
    async with Backend() as backend:
        rules = rules_text(backend.url, route="match: {path: /public}") + (
            "  - {name: admin, match: {path: /admin}, respond: {status: 403}}\n"
        )
        async with running(rules=rules) as proxy:
            refused = await proxy.ask("/admin/..%2fpublic")
            assert (refused.status, refused.problem["reason"]) == (400, "bad_request")
            assert (await proxy.ask("/admin/../public")).status == 400
            assert (await proxy.ask("/admin//x")).status == 403
            assert (await proxy.ask("/public/a/../b")).status == 200
        assert len(backend.requests) == 1


BOMB = gzip.compress(bytes(4 << 20))


async def test_what_is_compressed_passes_as_it_came_both_ways_and_is_never_opened() -> None:
    async def echo(call: Call) -> None:
        body = await call.body()
        fields = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
        await call.send(b"HTTP/1.1 200 OK\r\n" + fields + body)

    async with Backend(echo) as backend, running(backend.url) as proxy:
        answer = await proxy.ask("/", "Content-Encoding: gzip", method="POST", body=BOMB)
        assert (answer.body, answer.get("content-encoding")) == (BOMB, b"gzip")
        assert zlib.crc32(gzip.decompress(answer.body)) == zlib.crc32(bytes(4 << 20))


HOSTILE = [
    b'for="' + b'\\"' * 8000, b"for=a;" * 5000, b",".join([b"for=a"] * 5000) + b"\x01", b"a" * 32000, b'a="' * 9000,
    b" ,\t" * 10000, b"for=a ; " * 4000, b";" * 30000, b"max-age" * 4000 + b"=", b"a" + b" " * 30000 + b"=",
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_no_value_of_a_field_takes_longer_to_read_than_it_is_long(value: bytes) -> None:
    # A pattern that tries every way to split would not end within anybody's patience.
    trusted = TrustedNetworks(["192.0.2.0/24"])
    origin = Origin("192.0.2.7", trusted=True, forwarded=True)
    limits = HeadLimits(max_bytes=1 << 16)
    head = parse_request(b"GET / HTTP/1.1\r\nHost: a\r\nForwarded: " + value.rstrip(b"\x01") + b"\r\n\r\n", limits)
    assert head is not None
    assert forwarded_line(head, origin).endswith(b"host=a\r\n")
    assert last_proto(value) == b""
    assert client_ip(origin, head, trusted) == "192.0.2.7"
    assert len(cache_directives(value, None) or ()) < len(value)


async def test_a_request_that_is_led_back_to_ourselves_grows_with_each_turn_until_it_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    rules = rules_text(f"http://127.0.0.1:{port}", address=f"127.0.0.1:{port}", listener="max_header_bytes: 1KiB")
    async with running(rules=rules) as proxy:
        assert (await proxy.ask()).status == 431
        assert sum(proxy.requests().values()) < 50
