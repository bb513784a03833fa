"""Between HAProxy, which says by the PROXY protocol who a client is, and nginx, which wants to know and speaks TLS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.doubles.backend import refusing
from tests.doubles.certificates import client_certificate, root, server_certificate, stranger
from tests.doubles.peer import Peer
from tests.doubles.running import rules_text, running
from tests.doubles.servers import Server, require
from tests.doubles.tls import NAME, terms, trusting

NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr notice;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} ssl {listen};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate {files.certificate};
    ssl_certificate_key {files.private_key};
    ssl_client_certificate {ca};
    ssl_verify_client on;
    set $client "$proxy_protocol_addr $http_x_forwarded_for";
    location / {{ return 200 "$ssl_protocol $ssl_server_name $ssl_client_s_dn $client"; }}
  }}
}}
"""
HAPROXY = """
defaults
  mode tcp
  timeout connect 5s
  timeout client 20s
  timeout server 20s
listen front
  bind 127.0.0.1:{port}
  server sidecar 127.0.0.1:{to} send-proxy{version}
"""


@contextmanager
def nginx(folder: Path, listen: str = "") -> Iterator[int]:
    """One that speaks TLS with those only who show a certificate; its port."""
    with refusing() as port:
        files = server_certificate("backend.test").write(folder, "nginx")
        text = NGINX.format(folder=folder, port=port, listen=listen, files=files, ca=root().write(folder))
        (folder / "nginx.conf").write_text(text)
        command = [require("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
        with Server(command, r"OS: Linux", folder=folder):
            yield port


@contextmanager
def haproxy(folder: Path, to: int, version: str) -> Iterator[int]:
    """One that says of each connection who its client is; its port."""
    with refusing() as port:
        file = folder / "haproxy.cfg"
        file.write_text(HAPROXY.format(port=port, to=to, version=version))
        with Server([require("haproxy"), "-W", "-db", "-f", str(file)], "Loading success", folder=folder):
            yield port


def upstream(folder: Path, *more: str) -> str:
    """What the rules say of nginx."""
    mine = client_certificate("sidecar").write(folder, "mine")
    pair = f"certificate: {mine.certificate}, private_key: {mine.private_key}"
    return f"tls: {{ca: {folder / 'ca.pem'}, server_name: backend.test, {', '.join([pair, *more])}}}"


async def test_nginx_is_spoken_to_over_tls_with_a_certificate_and_the_connection_is_kept(tmp_path: Path) -> None:
    with nginx(tmp_path) as port:
        rules = rules_text(f"https://127.0.0.1:{port}", upstream=upstream(tmp_path))
        async with running(rules=rules) as proxy, proxy.peer() as peer:
            for _ in range(20):
                answer = await peer.get()
                assert answer.status == 200
                assert answer.body.startswith(b"TLSv1.3 backend.test CN=sidecar ")
            assert proxy.pooled() == 1


@pytest.mark.parametrize(
    ("what", "instead", "reason"),
    [
        ("server_name: backend.test", "server_name: other.test", "certificate_wrong_name"),
        ("ca.pem", "stranger.pem", "certificate_untrusted"),
    ],
)
async def test_what_nginx_proves_itself_with_is_looked_at(what: str, instead: str, reason: str, tmp_path: Path) -> None:
    with nginx(tmp_path) as port:
        stranger().write(tmp_path, "stranger")
        tls = upstream(tmp_path).replace(what, instead)
        rules = rules_text(f"https://127.0.0.1:{port}", upstream=tls, route="retry: null")
        async with running(rules=rules) as proxy:
            answer = await proxy.ask()
            assert (answer.status, answer.problem["reason"]) == (502, reason)


@pytest.mark.parametrize("version", ["", "-v2"])
async def test_who_a_client_is_goes_through_the_whole_chain(version: str, tmp_path: Path) -> None:
    listener = f"proxy_protocol: true, trusted_proxies: [127.0.0.1], {terms(server_certificate(NAME).write(tmp_path))}"
    with nginx(tmp_path, "proxy_protocol") as port:
        sends = f"proxy_protocol: v1, {upstream(tmp_path)}"
        rules = rules_text(f"https://127.0.0.1:{port}", listener=listener, upstream=sends)
        async with running(rules=rules) as proxy:
            with haproxy(tmp_path, proxy.port, version) as front:
                async with await Peer.connect(front, source="127.0.0.9") as peer:
                    await peer.writer.start_tls(trusting(str(tmp_path / "ca.pem")), server_hostname=NAME)
                    answer = await peer.get()
                assert answer.body == b"TLSv1.3 backend.test CN=sidecar 127.0.0.9 127.0.0.9"
