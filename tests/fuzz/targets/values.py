"""Values of single fields, and small readers: numbers stay in their bounds, dates are dates, lists are lists."""

from __future__ import annotations

from ipaddress import ip_address
from math import inf

from sidecar.wire.caching import MAX_SECONDS, NO_SECONDS, age_seconds, cache_directives, vary_names
from sidecar.wire.dates import NO_DATE, http_date, parse_http_date
from sidecar.wire.deadline_fields import allowed_seconds
from sidecar.wire.hop import acceptable_upgrade, connection_options, list_items
from sidecar.wire.proxy_protocol import Header, MalformedHeaderError, read, write
from sidecar.wire.retry_after import ABSENT, retry_after_seconds
from sidecar.wire.retry_after import MAX_SECONDS as LONGEST_WAIT
from sidecar.wire.websocket import Frames, is_websocket
from tests.fuzz.claims import TOKEN

_WALL = 1_700_000_000.0


def values(data: bytes) -> object:
    """One value, read by everything that reads one."""
    wait = retry_after_seconds(data, _WALL)
    assert wait == ABSENT or 0.0 <= wait <= LONGEST_WAIT, "a time to wait"
    date = parse_http_date(data, _WALL)
    assert date == NO_DATE or date >= 0.0, "an instant"
    if date != NO_DATE:
        assert parse_http_date(http_date(date), _WALL) == date, "written and read again, it is the same"
    first, _, second = data.partition(b"\n")
    for allowed in (allowed_seconds(data, None), allowed_seconds(None, data), allowed_seconds(first, second)):
        assert 0.0 <= allowed <= inf, "a time that is left"
    directives = cache_directives(data, None)
    for name, seconds in (directives or {}).items():
        assert TOKEN.fullmatch(name), "a directive is a token"
        assert name == name.lower(), "in lower case"
        assert NO_SECONDS <= seconds <= MAX_SECONDS, "of seconds in their bounds"
    age = age_seconds(data)
    assert 0 <= age <= MAX_SECONDS, "an age"
    names = vary_names(data)
    assert names is None or list(names) == sorted(set(names)), "names in order, each once"
    items = list_items(data)
    assert all(item and item == item.strip(b" \t") for item in items), "members are trimmed, and not empty"
    named: set[bytes] = set()
    flags = connection_options(data, named)
    assert -1 <= flags <= 7, "three options, or a refusal"
    assert flags < 0 or all(TOKEN.fullmatch(name) for name in named), "names are tokens"
    upgrade = acceptable_upgrade(data), is_websocket(data)
    assert not (upgrade[1] and not upgrade[0]), "a WebSocket is acceptable"
    return [wait, date, directives, age, names, flags, sorted(named), upgrade]


def proxy_header(data: bytes) -> object:
    """A PROXY header: decided as soon as it can be, for good, and written back as the same connection."""
    found = _header(data)
    if isinstance(found, Header):
        assert 0 < found.size <= len(data), "no longer than what came"
        step = 1 if found.size <= 256 else found.size // 97
        for end in range(0, found.size, step):
            assert _header(data[:end]) is None, "undecided while it is not whole"
        assert _header(data[: found.size]) == found, "what follows changes nothing"
        for address in (found.source, found.destination):
            assert not address or str(ip_address(address)) == address, "an address in its one spelling"
        assert bool(found.source) == bool(found.destination), "both ends, or none"
        if found.source:
            ends = (found.source, found.source_port), (found.destination, found.destination_port)
            for version in ("v1", "v2"):
                again = read(write(version, *ends))
                assert again is not None, "what is written is whole"
                assert (again.source, again.source_port) == ends[0], "and says the same"
                assert (again.destination, again.destination_port) == ends[1], "and says the same"
    elif found is None:
        assert len(data) < 16384, "nobody is waited for without end"
    else:
        for end in range(0, len(data), max(1, len(data) // 97)):
            assert not isinstance(_header(data[:end]), Header), "no beginning of it is one"
    return found


def _header(data: bytes) -> Header | str | None:
    try:
        return read(data)
    except MalformedHeaderError as error:
        said = str(error)
    assert said.isprintable(), "a sentence that can be shown"
    return said


def frames(data: bytes) -> object:
    """WebSocket frames: where one ends is the same however the bytes come."""
    at_once = _followed(data, max(1, len(data)))
    for step in (1, 3):
        assert _followed(data, step) == at_once, "pieces are read as the whole"
    cut = len(data) // 2
    frames = Frames()
    frames.follow(data[:cut])
    finished = frames.finish(data[cut:])
    assert 0 <= finished <= len(data) - cut, "never more than there is"
    assert frames.at_boundary or finished == len(data) - cut, "up to its end, or to the end of what came"
    return [*at_once, finished]


def _followed(data: bytes, step: int) -> list[object]:
    frames = Frames()
    for at in range(0, len(data), step):
        frames.follow(data[at : at + step])
    return [frames.closed, frames.at_boundary]
