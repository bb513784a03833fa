"""The backend behind every proxy: a real nginx whose answers cost as little as possible.

Paths: `/small` a 150-byte JSON document, and so is everything below `/routes/`; `/64k` and `/1m` bodies of that size,
`/chunked` 16 KiB without a length, `/post` reads the whole body and answers 200.

Two answers need a trick in plain nginx. Server-side includes make the length unknown, hence chunked, although the page
includes nothing. And `return` would answer before the body has arrived: `mirror` reads the body first, the static
module then refuses to POST to a file, and the refusal is turned into the 200 we want.
"""

import os
from pathlib import Path

SMALL = b'{"id":48151623,"name":"Ada Lovelace","email":"ada@example.com","active":true,"roles":["reader","editor"],'
SMALL += b'"updated":"2026-01-02T03:04:05Z"}'
SMALL += b" " * (150 - len(SMALL))
SIZES = {"64k": 64 * 1024, "1m": 1024 * 1024, "chunked": 16 * 1024, "post": 1024}


def nginx_prologue(directory: Path, connections: int) -> str:
    """What the backend and the nginx under test share: one worker, nothing written outside `directory`."""
    user = "user root;\n" if os.geteuid() == 0 else ""
    temporary = "\n".join(
        f"    {kind}_temp_path {directory}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""{user}daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr error;
events {{ worker_connections {connections}; multi_accept on; }}
http {{
    access_log off;
    tcp_nodelay on;
    keepalive_requests 1000000000;
{temporary}
"""


def write(directory: Path, port: int, connections: int) -> Path:
    """Write answers and configuration into `directory`; returns the configuration file."""
    answers = directory / "answers"
    answers.mkdir()
    for name, size in SIZES.items():
        (answers / name).write_bytes((b"0123456789abcdef" * 64)[:1024] * (size // 1024))
    text = f"""{nginx_prologue(directory, connections)}
    keepalive_timeout 600s;
    client_body_buffer_size 64k;
    sendfile on;
    open_file_cache max=16;
    default_type application/octet-stream;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {answers};
        location = /small {{ default_type application/json; return 200 '{SMALL.decode()}'; }}
        location /routes/ {{ default_type application/json; return 200 '{SMALL.decode()}'; }}
        location = /chunked {{ default_type text/html; ssi on; }}
        location = /post {{ mirror /read; mirror_request_body on; error_page 405 =200 @accepted; }}
        location = /read {{ internal; return 204; }}
        location @accepted {{ default_type application/json; return 200 '{{"accepted":true}}'; }}
    }}
}}
"""
    path = directory / "backend.conf"
    path.write_text(text)
    return path


def command(nginx: str, directory: Path, configuration: Path) -> list[str]:
    """The command line that runs nginx in the foreground on `configuration`."""
    return [nginx, "-e", "stderr", "-p", str(directory), "-c", str(configuration)]
