"""Unix sockets on either side of a running proxy: who may come in, who is believed, and how an endpoint is named."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given
from tests.doubles.backend import Backend
from tests.doubles.peer import Peer
from tests.doubles.running import EXAMPLES, rules_text, running

LIMIT = "rate_limits: [{name: each, key: client_ip, rate: 1/h, burst: 1}]"


@pytest.mark.parametrize("written", ["unix:{path}", "http://unix:{path}"])
async def test_a_backend_behind_a_unix_socket_serves_as_any_other(written: str, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    async with Backend(path=path) as backend:
        async with running(rules=rules_text(written.format(path=path))) as proxy, proxy.peer() as peer:
            for _ in range(3):
                assert (await peer.get()).status == 200
            assert proxy.pooled() == 1
        assert len(backend.connections) == 1
        assert backend.requests[0].get("host") == b"test"


async def test_its_label_is_its_path_and_the_operator_s_verbs_take_it(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    async with Backend(path=path), running(rules=rules_text(f"unix:{path}", upstream="hold: null")) as proxy:
        assert (await proxy.ask()).status == 200
        name = f"app/unix:{path}"
        (upstream,) = (await proxy.status())["upstreams"]
        (endpoint,) = upstream["endpoints"]
        assert endpoint["name"] == name
        assert f'endpoint="{name}"' in (await proxy.admin("GET", "/metrics")).body.decode()
        encoded = name.replace("/", "%2F").replace(":", "%3A")
        answer = await proxy.admin("POST", f"/endpoints/{encoded}/drain")
        assert answer.status == 200
        assert (await proxy.ask()).status == 503


async def test_a_check_goes_over_it_and_asks_for_localhost(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    async with Backend(path=path) as backend:
        rules = rules_text(f"unix:{path}", upstream="health_check: {path: /health, interval: 1h}")
        async with running(rules=rules):
            request = await backend.wait_requests(1)
        assert request.line.startswith(b"GET /health ")
        assert request.get("host") == b"localhost"


async def test_one_that_nobody_listens_on_is_a_failed_connection(tmp_path: Path) -> None:
    rules = rules_text(f"unix:{tmp_path / 'nobody'}", upstream="hold: null", route="retry: null")
    async with running(rules=rules) as proxy:
        answer = await proxy.ask()
        assert (answer.status, answer.problem["reason"]) == (502, "connect_failure")


async def test_bytes_without_http_go_from_one_unix_socket_to_another(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read())
        writer.close()

    server = await asyncio.start_unix_server(echo, there)
    rules = f"""
version: 1
listeners: [{{name: bytes, address: 'unix:{here}', protocol: tcp}}]
admin: {{address: '127.0.0.1:0'}}
upstreams: {{app: {{endpoints: 'tcp://unix:{there}'}}}}
routes: [{{name: bytes, match: {{listener: bytes}}, upstream: app}}]
"""
    async with running(rules=rules), await Peer.connect(str(here)) as peer:
        await peer.send(b"said, and heard")
        peer.half_close()
        assert await peer.rest() == b"said, and heard"
    server.close()
    await server.wait_closed()


async def test_a_peer_of_a_unix_socket_is_believed_where_the_rules_say_so(tmp_path: Path) -> None:
    path = tmp_path / "in.sock"
    async with Backend() as backend:
        rules = rules_text(backend.url, address=f"unix:{path}", listener="trusted_proxies: [unix]", route=LIMIT)
        async with running(rules=rules) as proxy, proxy.peer() as peer:
            for forwarded, status in (("203.0.113.1", 200), ("203.0.113.2", 200), ("203.0.113.1", 429)):
                assert (await peer.get("/", f"X-Forwarded-For: {forwarded}")).status == status
        assert [one.get("x-forwarded-for") for one in backend.requests] == [b"203.0.113.1", b"203.0.113.2"]


async def test_a_peer_that_is_not_believed_has_no_address_and_all_of_them_are_one_client(tmp_path: Path) -> None:
    path = tmp_path / "in.sock"
    async with Backend() as backend:
        rules = rules_text(backend.url, address=f"unix:{path}", route=LIMIT)
        async with running(rules=rules) as proxy:
            for forwarded, status in (("203.0.113.1", 200), ("203.0.113.2", 429)):
                assert (await proxy.ask("/", f"X-Forwarded-For: {forwarded}")).status == status
        assert backend.requests[0].get("x-forwarded-for") == b"203.0.113.1"  # passed on: its reader decides


async def test_the_example_has_no_port_on_either_side(tmp_path: Path) -> None:
    text = (EXAMPLES / "unix-sockets.yaml").read_text()
    text = (
        text.replace("/run/sidecar/", f"{tmp_path}/")
        .replace("/run/app/", f"{tmp_path}/")
        .replace('"33"', str(os.getgid()))
    )
    async with Backend(path=tmp_path / "app.sock") as backend:
        sets = ["admin.address=127.0.0.1:0", "log.access=off"]
        async with running(given=load_text(text, "unix-sockets.yaml", Given(sets=sets))) as proxy:
            assert (await proxy.ask("/", "X-Forwarded-For: 203.0.113.1")).status == 200
            assert (tmp_path / "public.sock").stat().st_mode & 0o777 == 0o660
        assert backend.requests[0].get("x-forwarded-for") == b"203.0.113.1"


async def test_the_file_of_a_socket_is_what_the_rules_say(tmp_path: Path) -> None:
    path = tmp_path / "in.sock"
    async with Backend() as backend:
        told = [rules_text(backend.url, address=f"unix:{path}", listener=f"unix: {{mode: {m}}}") for m in (600, 660)]
        async with running(rules=told[0]) as proxy, proxy.peer() as peer:
            modes = [path.stat().st_mode & 0o777]
            await proxy.adopt(told[1])
            modes.append(path.stat().st_mode & 0o777)
            assert modes == [0o600, 0o660]
            assert (await peer.get()).status == 200
        assert not path.exists()
