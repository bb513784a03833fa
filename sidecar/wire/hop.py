"""Hop-by-hop edits of a block of field lines: what Connection names, and lines removed or replaced.

Owns the edits that few messages need, so plain rather than fast. May not know whole messages.
"""

from sidecar.wire.fieldnames import HOP_BY_HOP, NEVER_A_CONNECTION_OPTION, TOKEN_BYTES

CLOSE = 1
KEEP_ALIVE = 2
UPGRADE = 4

_FLAGS = {b"close": CLOSE, b"keep-alive": KEEP_ALIVE, b"upgrade": UPGRADE}


def list_items(value: bytes) -> list[bytes]:
    """The members of a comma-separated list, trimmed, the empty ones left out (RFC 9110 section 5.6.1.2)."""
    return [item for item in (part.strip(b" \t") for part in value.split(b",")) if item]


def connection_options(value: bytes, named: set[bytes]) -> int:
    """The flags CLOSE, KEEP_ALIVE and UPGRADE in a Connection value; every other field it names goes into `named`.

    Answers -1 where an option is no token, or names a field no hop may remove.
    """
    flags = 0
    for item in list_items(value.lower()):
        if item.translate(None, TOKEN_BYTES) or item in NEVER_A_CONNECTION_OPTION:
            return -1
        flag = _FLAGS.get(item, 0)
        if flag:
            flags |= flag
        elif item not in HOP_BY_HOP:
            named.add(item)
    return flags


def acceptable_upgrade(value: bytes) -> bool:
    """Whether an Upgrade may be passed on: not to another HTTP or TLS, inside which no rule would hold any more.

    `h2c` was removed by RFC 9113 section 3.1, and a tunnel opened by it smuggles requests past every proxy.
    """
    for item in list_items(value.lower()):
        protocol = item.partition(b"/")[0]
        if protocol in (b"h2c", b"h2", b"http", b"tls"):
            return False
    return True


def fewer_forwards(block: bytes) -> tuple[int, bytes]:
    """What Max-Forwards says, and the block with one less of it; -1 and the same block where it says nothing valid.

    RFC 9110 section 7.6.2. At 0 nothing is to be forwarded, and the block stays.
    """
    lines = block.split(b"\r\n")
    found = [index for index, line in enumerate(lines) if line[:13].lower() == b"max-forwards:"]
    value = lines[found[0]][13:].strip(b" \t") if len(found) == 1 else b""
    digits = value.lstrip(b"0")
    if not value.isdigit() or len(digits) > 9:
        return -1, block
    count = int(digits or b"0")
    if count:
        lines[found[0]] = b"Max-Forwards: %d" % (count - 1)
    return count, b"\r\n".join(lines)


def without_fields(block: bytes, names: set[bytes] | frozenset[bytes]) -> bytes:
    """The block without every line whose name, in lower case, is among `names`."""
    kept = [line for line in block.split(b"\r\n") if line and line[: line.find(b":")].lower() not in names]
    return b"\r\n".join([*kept, b""]) if kept else b""


def with_host(block: bytes, authority: bytes) -> bytes:
    """The block with its Host line replaced where it stands, or with one put first (RFC 9112 section 3.2)."""
    line = b"Host: " + authority + b"\r\n"
    start = 0 if block[:5].lower() == b"host:" else block.lower().find(b"\r\nhost:") + 2
    if start == 1:
        return line + block
    return block[:start] + line + block[block.find(b"\r\n", start) + 2 :]
