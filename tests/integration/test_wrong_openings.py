"""What can go wrong before the first request is read: each mistake has a clear end, and the next client is served.

Files that will not do are told when the rules are read, at the line of their key. What comes over the wire is refused
by name and counted.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sidecar.rules.problems import ConfigError
from tests.doubles.backend import Backend
from tests.doubles.certificates import (
    EXPIRED_DAYS,
    FUTURE_DAYS,
    Certificate,
    Files,
    client_certificate,
    root,
    server_certificate,
)
from tests.doubles.peer import Peer
from tests.doubles.running import RunningProxy, rules_text, running
from tests.doubles.tls import NAME, dial, terms, trusting, visit

GOOD = server_certificate(NAME)


def rules(url: str, folder: Path, files: Files, *more: str) -> str:
    """A listener with TLS, its keys on a line of their own."""
    return rules_text(url, listener=f"\n    {terms(files, *more)}")


@asynccontextmanager
async def secure(folder: Path, *more: str) -> AsyncIterator[tuple[Backend, RunningProxy]]:
    """A good listener with TLS."""
    root().write(folder)
    async with Backend() as backend, running(rules=rules(backend.url, folder, GOOD.write(folder), *more)) as proxy:
        yield backend, proxy


async def serves(proxy: RunningProxy, folder: Path) -> None:
    """A good client is served as ever."""
    seen = await visit(proxy.port, trusting(str(folder / "ca.pem")))
    assert seen.answer.startswith(b"HTTP/1.1 200 ")
    assert seen.fingerprint == GOOD.fingerprint


async def handshakes(proxy: RunningProxy) -> dict[str, int]:
    """How many there were, by what they came to."""
    text = (await proxy.admin("GET", "/metrics")).body.decode()
    found = re.findall(r'^sidecar_tls_handshakes_total\{listener="public",result="(\w+)"\} (\S+)$', text, re.MULTILINE)
    return {result: int(float(count)) for result, count in found if float(count)}


def _pair(folder: Path, certificate: Certificate, private_key: bytes | None = None) -> Files:
    return certificate.write(folder, "bad", private_key=private_key)


def _text(folder: Path, certificate: bytes, private_key: bytes) -> Files:
    files = _pair(folder, GOOD, private_key)
    Path(files.certificate).write_bytes(certificate)
    return files


def _missing(folder: Path, which: str) -> Files:
    files = _pair(folder, GOOD)
    os.unlink(getattr(files, which))
    return files


def _folder(folder: Path) -> Files:
    files = _pair(folder, GOOD)
    os.unlink(files.private_key)
    Path(files.private_key).mkdir()
    return files


OTHER = server_certificate("other.test")
# The mistake, and what is said of it.
FILES: dict[str, tuple[Callable[[Path], Files], str]] = {
    "no certificate file": (lambda folder: _missing(folder, "certificate"), "bad.pem"),
    "no key file": (lambda folder: _missing(folder, "private_key"), "bad.key"),
    "a folder for a key": (_folder, "bad.key"),
    "another's key": (lambda folder: _pair(folder, GOOD, OTHER.private_key), "does not belong to the certificate"),
    "an encrypted key": (lambda folder: _pair(folder, GOOD, GOOD.encrypted_key), "is encrypted"),
    "no key in the key file": (lambda folder: _pair(folder, GOOD, b"hello\n"), "no private key in PEM form"),
    "no certificate in its file": (
        lambda folder: _text(folder, b"hello\n", GOOD.private_key),
        "no certificate in PEM form",
    ),
    "the two mixed up": (lambda folder: _text(folder, GOOD.private_key, GOOD.pem), "only a private key"),
    "a chain upside down": (
        lambda folder: _text(folder, GOOD.pem + root().pem + GOOD.chain, GOOD.private_key),
        "not in order",
    ),
    "expired": (lambda folder: _pair(folder, server_certificate(NAME, days=EXPIRED_DAYS)), "has expired on "),
    "not yet valid": (lambda folder: _pair(folder, server_certificate(NAME, days=FUTURE_DAYS)), "is not valid before "),
}


@pytest.mark.parametrize("mistake", FILES)
async def test_a_file_that_will_not_do_is_told_at_its_line_and_the_listener_serves_on(
    mistake: str, tmp_path: Path
) -> None:
    make, sentence = FILES[mistake]
    async with secure(tmp_path) as (backend, proxy):
        with pytest.raises(ConfigError) as refused:
            await proxy.adopt(rules(backend.url, tmp_path, make(tmp_path)))
        problems = [str(problem) for problem in refused.value.problems]
        assert len(problems) == 1, problems
        assert problems[0].startswith("rules.yaml:4:"), problems
        assert sentence in problems[0]
        await serves(proxy, tmp_path)
        assert (await proxy.status())["rules"]["generation"] == 1


async def test_authorities_for_clients_that_will_not_do_are_told_as_well(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_bytes(b"")
    async with secure(tmp_path) as (backend, proxy):
        with pytest.raises(ConfigError, match=r"rules.yaml:4:\d+: .*no certificate in PEM form"):
            await proxy.adopt(rules(backend.url, tmp_path, GOOD.write(tmp_path), f"client_ca: {empty}"))
        await serves(proxy, tmp_path)


async def test_plain_http_on_a_tls_port_is_answered_in_words_that_help(tmp_path: Path) -> None:
    async with secure(tmp_path) as (backend, proxy):
        async with proxy.peer() as peer:
            answer = await peer.get("/")
            assert (answer.status, answer.problem["reason"]) == (400, "bad_request")
            assert b"TLS" in answer.body
            assert await peer.rest() == b""
        assert backend.requests == []
        await serves(proxy, tmp_path)
        assert await handshakes(proxy) == {"ok": 1, "plain_http": 1}


async def test_tls_on_a_plain_port_is_answered_and_the_connection_ends(tmp_path: Path) -> None:
    ca = root().write(tmp_path)
    async with Backend() as backend, running(backend.url) as proxy:
        with pytest.raises(OSError, match=r"(?i)wrong.version|record|reset|closed"):
            await dial(proxy.port, trusting(ca))
        async with proxy.peer() as peer:
            await peer.send(b"\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03" + bytes(200))
            answer = await peer.answer()
            assert (answer.status, answer.problem["reason"]) == (400, "bad_request")
        assert (await proxy.ask()).status == 200
        assert len(backend.requests) == 1


GARBAGE = {
    "zeros": bytes(512),
    "half a record": b"\x16\x03\x01",
    "a record of garbage": b"\x16\x03\x01\x00\x20" + bytes(range(32)),
    "a record that is too long": b"\x16\x03\x01\xff\xff" + bytes(512),
    "an alert": b"\x15\x03\x03\x00\x02\x02\x28",
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
}


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_what_is_no_handshake_ends_the_connection_and_reaches_nobody(garbage: str, tmp_path: Path) -> None:
    async with secure(tmp_path) as (backend, proxy):
        async with proxy.peer() as peer:
            await peer.send(GARBAGE[garbage])
            peer.half_close()
            await peer.ended()
        assert backend.requests == []
        await serves(proxy, tmp_path)
        assert sum((await handshakes(proxy)).values()) == 2


async def test_a_client_that_connects_and_leaves_without_a_word_costs_nothing(tmp_path: Path) -> None:
    async with secure(tmp_path) as (backend, proxy):
        for _ in range(20):
            async with proxy.peer():
                pass
        await proxy.quiet()
        await serves(proxy, tmp_path)
        assert len(backend.requests) == 1
        assert await handshakes(proxy) == {"ok": 1, "left": 20}


@asynccontextmanager
async def behind_a_balancer(listener: str) -> AsyncIterator[tuple[Backend, RunningProxy]]:
    listener = f"proxy_protocol: true, {listener}"
    async with Backend() as backend, running(rules=rules_text(backend.url, listener=listener)) as proxy:
        yield backend, proxy


REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
HEADER = b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 443\r\n"
NO_HEADERS = {
    "none": REQUEST,
    "no address": b"PROXY TCP4 nobody 192.0.2.1 40000 443\r\n" + REQUEST,
    "no port": b"PROXY TCP4 203.0.113.7 192.0.2.1 99999 443\r\n" + REQUEST,
    "no end": b"PROXY TCP4 " + b"1" * 200,
    "a wrong version": b"\r\n\r\n\x00\r\nQUIT\n\x31\x11\x00\x0c" + bytes(12) + REQUEST,
    "a short address": b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x04" + bytes(4) + REQUEST,
    "zeros": bytes(64),
}


@pytest.mark.parametrize("opening", NO_HEADERS)
async def test_without_a_good_proxy_header_nothing_is_believed_and_the_next_one_is(opening: str) -> None:
    async with behind_a_balancer("trusted_proxies: [127.0.0.0/8]") as (backend, proxy):
        async with proxy.peer() as peer:
            await peer.send(NO_HEADERS[opening])
            answer = await peer.answer()
            assert (answer.status, answer.problem["reason"]) == (400, "bad_request")
            await peer.ended()
        assert backend.requests == []
        async with proxy.peer() as peer:
            assert (await peer.ask(HEADER + REQUEST)).status == 200
        assert backend.requests[0].get("x-forwarded-for") == b"203.0.113.7"


async def test_a_proxy_header_of_a_stranger_is_refused_and_a_trusted_one_is_served() -> None:
    async with behind_a_balancer("trusted_proxies: [127.0.0.1]") as (backend, proxy):
        async with proxy.peer(source="127.0.0.2") as stranger:
            await stranger.send(HEADER + REQUEST)
            assert b" 400 " in (await stranger.ended())[:20]
        assert backend.requests == []
        async with proxy.peer() as peer:
            assert (await peer.ask(HEADER + REQUEST)).status == 200


async def test_behind_a_balancer_tls_begins_after_the_proxy_header(tmp_path: Path) -> None:
    ca, files = root().write(tmp_path), GOOD.write(tmp_path)
    listener = f"trusted_proxies: [127.0.0.0/8], {terms(files, f'client_ca: {ca}')}"
    async with behind_a_balancer(listener) as (backend, proxy):
        async with await Peer.connect(proxy.port) as peer:
            await peer.send(HEADER)
            mine = client_certificate().write(tmp_path, "client")
            async with asyncio.timeout(10):
                await peer.writer.start_tls(trusting(ca, mine), server_hostname=NAME)
            assert (await peer.ask(REQUEST)).status == 200
        assert backend.requests[0].get("x-forwarded-for") == b"203.0.113.7"
        assert backend.requests[0].get("x-forwarded-proto") == b"https"
