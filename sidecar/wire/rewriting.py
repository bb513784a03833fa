"""The request target as the upstream sees it: a prefix of the path taken away, then one put in front.

Owns that edit. May not know rules or routing; but it reads a path as routing does, or a request would be routed by one
path and rewritten by another: percent-escapes decoded once, `\\` a slash, `;` and what follows not part of a segment,
empty segments and `.` none, `..` the one before it gone. (tests/wire/test_rewriting_properties.py holds them together.)

What is promised, for every target: the path that routing would read from the result is the added prefix and then what
it read from the original less the stripped prefix. What is left of the path keeps its bytes, and the query always. Two
exceptions, where bytes would reach around the prefix: empty segments at the joint go (`/api//evil.example` must not
become `//evil.example`, which some read as a host, RFC 3986 4.2), and a path with dot segments is resolved first
(`/api/../admin` with `/v1` in front must not become `/v1/api/../../admin`).
"""

import re

_SEPARATOR = re.compile(rb"/|\\|%2[Ff]|%5[Cc]")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://[^/?]*")


class TargetRewrite:
    """One rule's rewrite, made once. Raises ValueError for a prefix that does not begin with `/`, or holds a query.

    A slash at the end of either prefix changes nothing, as in the rules' `match`.
    """

    __slots__ = ("_add", "_below", "_strip", "_wanted")

    def __init__(self, strip_prefix: str | None = None, add_prefix: str | None = None) -> None:
        self._wanted = tuple([key for key in _Pieces(_prefix(strip_prefix)).resolved().keys if key])
        self._strip = b"".join([b"/" + key for key in self._wanted])
        self._below = self._strip + b"/"
        self._add = _Pieces(_prefix(add_prefix)).resolved().path.rstrip(b"/")

    def apply(self, target: bytes) -> bytes:
        """The target to send. The very same object where nothing is stripped or added, and for `*` (RFC 9112 3.2.4).

        Of an absolute-form target the scheme and authority stay; an empty path in it is `/`.
        """
        mark = target.find(b"?")
        path = target if mark < 0 else target[:mark]
        query = b"" if mark < 0 else target[mark:]
        if path.startswith(b"/"):
            rewritten = self._path(path)
            return target if rewritten is path else rewritten + query
        authority = _SCHEME.match(path)
        if authority is None:
            return target
        path = path[authority.end() :] or b"/"
        rewritten = self._path(path)
        return target if rewritten is path else authority[0] + rewritten + query

    def _path(self, path: bytes) -> bytes:
        if b"%" in path or b"//" in path or b"/." in path or b";" in path or b"\\" in path:
            return self._odd(path)
        strip = self._strip
        if strip and path.startswith(self._below):
            path = path[len(strip) :]
        elif strip and path == strip:
            return self._add or b"/"
        return self._add + path if self._add else path

    def _odd(self, path: bytes) -> bytes:
        """Segment by segment, for a path that may be written in another way than it is read."""
        pieces = _Pieces(path).resolved()
        count = pieces.after(self._wanted)
        if count < 0 and not self._add:
            return path
        if not self._wanted and not self._add:
            return path
        return self._add + pieces.rest(max(count, 0)) or b"/"


class _Pieces:
    """A path cut at everything that is a slash to somebody: its segments as written, and as they are compared."""

    __slots__ = ("keys", "path", "starts")

    def __init__(self, path: bytes) -> None:
        cuts = list(_SEPARATOR.finditer(path))
        self.path = path
        self.starts = [cut.end() for cut in cuts]
        ends = [cut.start() for cut in cuts[1:]] + [len(path)]
        self.keys = [_key(path[start:end]) for start, end in zip(self.starts, ends, strict=False)]

    def resolved(self) -> "_Pieces":
        """This path, or what is left of it without its dot segments (RFC 3986 5.2.4)."""
        if b"." not in self.keys and b".." not in self.keys:
            return self
        kept: list[bytes] = []
        for index, key in enumerate(self.keys):
            if key == b"..":
                del kept[-1:]
            elif key not in (b"", b"."):
                kept.append(self._written(index))
        slash = b"/" if kept and self.keys[-1] in (b"", b".", b"..") else b""
        return _Pieces(b"/" + b"/".join(kept) + slash)

    def _written(self, index: int) -> bytes:
        if index + 1 == len(self.starts):
            return self.path[self.starts[index] :]
        found = _SEPARATOR.search(self.path, self.starts[index])
        return self.path[self.starts[index] : len(self.path) if found is None else found.start()]

    def after(self, wanted: tuple[bytes, ...]) -> int:
        """How many segments, empty ones included, hold all the wanted ones from the start; -1 where they differ."""
        seen = 0
        for index, key in enumerate(self.keys):
            if seen == len(wanted):
                return index
            if key:
                if key != wanted[seen]:
                    return -1
                seen += 1
        return len(self.keys) if seen == len(wanted) else -1

    def rest(self, count: int) -> bytes:
        """What follows that many segments, beginning with exactly one slash; empty when nothing does."""
        for index in range(count, len(self.keys)):
            if self.keys[index]:
                return b"/" + self.path[self.starts[index] :]
        return b"/" if count < len(self.keys) else b""


def _key(piece: bytes) -> bytes:
    if b"%" in piece:
        piece = _ESCAPE.sub(_decode, piece)
    return piece.partition(b";")[0]


def _decode(escape: re.Match[bytes]) -> bytes:
    return bytes((int(escape[1], 16),))


def _prefix(text: str | None) -> bytes:
    path = (text or "/").encode("ascii", "replace")
    if not path.startswith(b"/") or b"?" in path or b"#" in path:
        raise ValueError(f"`{text}` is not a prefix of paths")
    return path
