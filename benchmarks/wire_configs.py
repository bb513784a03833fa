"""The configuration of every proxy for other wires than plain HTTP: TLS in front of HTTP, and TCP without HTTP.

With TLS they are those of configs.py, whose listener has the certificate besides. Which protocol version, cipher and
group are spoken is the client's choice, the same for all (`CLIENT`), so that nobody's preferences are measured.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks import configs
from benchmarks.backend import nginx_prologue

ECDSA = "ecdsa"
RSA = "rsa"
_KEYS = {ECDSA: ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], RSA: ["rsa:2048"]}

CLIENT = """openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = client
[client]
MinProtocol = TLSv1.3
Ciphersuites = TLS_AES_128_GCM_SHA256
Groups = X25519
"""
"""OpenSSL's own configuration, for the load generator: one version, one cipher, one group."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A self-signed certificate and its key, as files."""

    certificate: Path
    private_key: Path


def identity(openssl: str, directory: Path, kind: str) -> Identity:
    """A new one of this kind of key in `directory`. Raises CalledProcessError when openssl fails."""
    made = Identity(directory / f"{kind}.pem", directory / f"{kind}.key")
    command = [openssl, "req", "-x509", "-newkey", *_KEYS[kind], "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command += ["-keyout", str(made.private_key), "-out", str(made.certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return made


def tls_nginx(directory: Path, port: int, backend: int, connections: int, who: Identity) -> str:
    """nginx with a certificate."""
    plain = configs.nginx(directory, port, backend, connections)
    return _once(
        plain,
        f"listen 127.0.0.1:{port} backlog=4096;",
        f"""listen 127.0.0.1:{port} ssl backlog=4096;
        ssl_certificate {who.certificate};
        ssl_certificate_key {who.private_key};
        ssl_protocols TLSv1.2 TLSv1.3;""",
    )


def tls_haproxy(directory: Path, port: int, backend: int, connections: int, who: Identity) -> str:
    """HAProxy, which reads certificate and key from one file. Its default for keys of Diffie and Hellman in RSA's name
    is silenced: no client here asks for it."""
    both = directory / "both.pem"
    both.write_text(who.certificate.read_text() + who.private_key.read_text())
    plain = configs.haproxy(port, backend, connections)
    plain = _once(plain, "global\n", "global\n    tune.ssl.default-dh-param 2048\n")
    return _once(plain, "backlog 4096", f"backlog 4096 ssl crt {both}")


def tls_envoy(port: int, backend: int, who: Identity) -> str:
    """Envoy with a certificate."""
    document = json.loads(configs.envoy(port, backend))
    files = {
        "certificate_chain": {"filename": str(who.certificate)},
        "private_key": {"filename": str(who.private_key)},
    }
    versions = {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"}
    socket = {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {"tls_params": versions, "tls_certificates": [files], "alpn_protocols": ["http/1.1"]},
    }
    chain = document["static_resources"]["listeners"][0]["filter_chains"][0]
    chain["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": socket}
    return json.dumps(document, indent=1)


def tls_sidecar(port: int, admin: int, backend: int, connections: int, who: Identity) -> str:
    """Sidecar with a certificate."""
    address = f"    address: 127.0.0.1:{port}\n"
    tls = f"    tls: {{certificate: {who.certificate}, private_key: {who.private_key}}}\n"
    return _once(configs.sidecar(port, admin, backend, connections), address, address + tls)


def tcp_nginx(directory: Path, port: int, backend: int, connections: int, module: Path | None) -> str:
    """nginx's stream module, built in or to be loaded; reads as large as HAProxy's (its own default, too)."""
    load = f"load_module {module};\n" if module is not None else ""
    prologue = nginx_prologue(directory, connections).partition("http {")[0]
    return f"""{load}{prologue}
stream {{
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        proxy_pass 127.0.0.1:{backend};
        proxy_connect_timeout 1s;
        proxy_timeout 60s;
        proxy_buffer_size 16k;
        tcp_nodelay on;
    }}
}}
"""


def tcp_haproxy(port: int, backend: int, *, splice: bool) -> str:
    """HAProxy in mode tcp; `splice`: it may move bytes within the kernel, for which it reserves pipes, hence fewer
    connections."""
    option = "\n    option splice-auto" if splice else ""
    return f"""global
    nbthread 1
    maxconn {configs.POOL}
defaults
    mode tcp
    timeout connect 1s
    timeout server 60s
    timeout client 60s
    retries 0{option}
frontend public
    bind 127.0.0.1:{port} backlog 4096
    default_backend app
backend app
    server one 127.0.0.1:{backend}
"""


def tcp_envoy(port: int, backend: int) -> str:
    """Envoy's tcp_proxy."""
    document = json.loads(configs.envoy(port, backend))
    proxy = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "public",
        "cluster": "app",
        "idle_timeout": "60s",
    }
    listener = document["static_resources"]["listeners"][0]
    listener["filter_chains"] = [{"filters": [{"name": "tcp", "typed_config": proxy}]}]
    return json.dumps(document, indent=1)


def tcp_sidecar(port: int, admin: int, backend: int, connections: int) -> str:
    """Sidecar with a listener of bytes."""
    return f"""version: 1
listeners:
  - name: public
    address: 127.0.0.1:{port}
    protocol: tcp
    max_connections: {connections}
admin: {{address: 127.0.0.1:{admin}}}
log: {{level: error, access: off}}
drain: {{announce: 0s, deadline: 2s}}
upstreams:
  app:
    endpoints: [tcp://127.0.0.1:{backend}]
    connect_timeout: 1s
    pool: {{max_connections: {configs.POOL}}}
routes:
  - name: all
    match: {{listener: public}}
    upstream: app
    timeout: {{request: 15s, idle: 60s}}
    retry: null
"""


def _once(text: str, old: str, new: str) -> str:
    """Raises ValueError when `old` is not there exactly once: the configuration would not be what it says."""
    if text.count(old) != 1:
        raise ValueError(f"{old!r} is there {text.count(old)} times")
    return text.replace(old, new)
