"""Request targets: routed by what a backend would make of them, rewritten so that it makes the same of the result."""

from __future__ import annotations

from sidecar.runtime.matching import matching_host
from sidecar.runtime.paths import matching_path, segments
from sidecar.wire.authority import valid_authority
from sidecar.wire.errors import BadMessage
from sidecar.wire.head import parse_request
from sidecar.wire.location import Location, split_authority
from sidecar.wire.rewriting import TargetRewrite
from tests.fuzz.claims import refused
from tests.fuzz.targets.heads import WIDE

PREFIXES = ("", "/", "/api", "/api/a", "/%61pi", "/x%20y/api")
REWRITES = {(strip, add): TargetRewrite(strip or None, add or None) for strip in PREFIXES for add in PREFIXES}
LOCATIONS = (Location(), Location(scheme="https"), Location(host="b.example", port=8443), Location(path="/new"))


def targets(data: bytes) -> object:
    """A request target; the first byte chooses the prefixes that are taken away and put in front."""
    choice, data = (data[0] if data else 0), data[1:]
    try:
        head = parse_request(b"GET " + data + b" HTTP/1.1\r\nHost: a\r\n\r\n", WIDE)
    except BadMessage as error:
        return refused(error)
    if head is None:
        return None
    path = matching_path(head.path)
    assert not {b"", b".", b".."} & set(segments(path)) or path == b"/", "nothing is left to resolve"
    assert path.startswith(b"/"), "a path"
    strip, add = PREFIXES[choice % 6], PREFIXES[choice // 6 % 6]
    rewritten = REWRITES[strip, add].apply(head.origin_target)
    _same_place(head.path, rewritten.partition(b"?")[0], strip, add)
    assert rewritten.partition(b"?")[1:] == head.origin_target.partition(b"?")[1:], "the query keeps its bytes"
    assert rewritten.isascii(), "a target of visible bytes"
    assert not rewritten.translate(None, bytes(range(0x21, 0x7F))), "a target of visible bytes"
    host = matching_host(head.authority)
    assert host == matching_host(head.authority.upper()), "a host has no case"
    assert valid_authority(head.authority), "an authority"
    name, port = split_authority(head.authority)
    assert head.authority in (name, name + b":" + port), "in two parts"
    led = [location.of(head, b"http") for location in LOCATIONS]
    for url in led:
        assert url is None or url.startswith((b"http://", b"https://")), "a redirect leads to a whole URL"
        assert url is None or not url.translate(None, bytes(range(0x21, 0x7F))), "of visible bytes"
    return [path, segments(path), rewritten, host, led]


def _same_place(path: bytes, rewritten: bytes, strip: str, add: str) -> None:
    taken, put = (matching_path(text.encode()).removesuffix(b"/") for text in (strip, add))
    rest = matching_path(path)
    if taken and rest == taken:
        rest = b""
    elif taken and rest.startswith(taken + b"/"):
        rest = rest.removeprefix(taken)
    assert matching_path(rewritten) == (put + rest or b"/"), "the place that the prefixes say"
    if rewritten != path:
        read = rewritten.replace(b"\\", b"/").lower().replace(b"%2f", b"/").replace(b"%5c", b"/").replace(b"%2e", b".")
        assert not read.startswith(b"//"), "never what reads as a host"
        assert not {b".", b".."} & {one.partition(b";")[0] for one in read.split(b"/")}, "nothing reaches around"
