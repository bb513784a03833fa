"""Field lines taken out, replaced and added in a block of them: what a rule says about the fields of a message.

Owns those edits, on whatever block it is given; which lines a message has at that moment is the caller's business. May
not know rules, routes or whole messages. Nothing here keeps a message's framing right: names that frame are refused
where the rules are read, and the caller adds those lines afterwards.

The order: removed, then set, then added. A field that is set stands where the first line of that name stood, and all
other lines of that name go; it goes to the end when there was none. Added lines stand at the end, and before them those
for fields that are not there (`absent`). Every other line keeps its bytes and its place.

Of a request, a line whose name has `_` where a removed or set one has `-` goes too: backends of the CGI family make one
variable of both (RFC 3875 section 4.1.18), and a rule that says who the user is would be heard beside a stranger.
"""

from collections.abc import Iterable, Mapping

from sidecar.wire.fieldnames import TOKEN_BYTES, VALUE_BYTES


class FieldEdits:
    """The edits of one rule, made once; `apply` runs on each message. Names have no case and are sent in lower case.

    Raises ValueError for a name that is no token or a value that would end the line (RFC 9110 section 5.5): with one
    of these a rule could split a message in two.
    """

    __slots__ = ("_absent", "_added", "_needles", "_removed", "_set", "_tail", "_twins")

    def __init__(
        self,
        remove: Iterable[str] = (),
        set_to: Mapping[str, str] | None = None,
        add: Mapping[str, str] | None = None,
        absent: Mapping[str, str] | None = None,
        twins: bool = False,
    ) -> None:
        """`twins`: the block is a request's, and names with `_` for `-` go with those that are removed or set."""
        self._removed = frozenset([_name(name) for name in remove])
        self._set = {_name(name): _line(name, value) for name, value in (set_to or {}).items()}
        self._added = b"".join([_line(name, value) for name, value in (add or {}).items()])
        self._absent = {_name(name): _line(name, value) for name, value in (absent or {}).items()}
        # What most messages get: none of the names is there.
        self._tail = b"".join((*self._set.values(), *self._absent.values(), self._added))
        names = sorted(self._removed | self._set.keys() | self._absent.keys())
        self._twins = (self._removed | self._set.keys()) if twins else frozenset()
        self._needles = tuple([b"\r\n" + (name.replace(b"_", b"-") if twins else name) + b":" for name in names])

    def apply(self, fields: bytes) -> bytes:
        """The block after the edits; the very same object where they change nothing.

        `fields` is lines of `Name: value` and CRLF, or nothing.
        """
        # A search of the whole block for each name costs less than looking at each line: bytes.find runs at the speed
        # of memory, and most rules name a handful.
        lowered = b"\r\n" + fields.lower()
        if self._twins:
            lowered = lowered.replace(b"_", b"-")
        for needle in self._needles:
            if lowered.find(needle) >= 0:
                return self._edited(fields)
        tail = self._tail
        return fields + tail if tail else fields

    def _edited(self, fields: bytes) -> bytes:
        removed = self._removed
        set_to = self._set
        unset = dict(set_to)
        absent = dict(self._absent)
        kept = []
        for line in fields.split(b"\r\n"):
            name = line[: line.find(b":")].lower()
            if not line or name in removed or self._is_twin(name):
                continue
            absent.pop(name, None)
            if name not in set_to:
                kept.append(line + b"\r\n")
            elif name in unset:
                kept.append(unset.pop(name))
        return b"".join([*kept, *unset.values(), *absent.values(), self._added])

    def _is_twin(self, name: bytes) -> bool:
        return b"_" in name and name not in self._set and name.replace(b"_", b"-") in self._twins


def _name(name: str) -> bytes:
    # `?` of a replaced character is no token byte. Encoded first: lower() makes a plain `k` of the Kelvin sign.
    spelled = name.encode("ascii", "replace").lower()
    if not spelled or spelled.translate(None, TOKEN_BYTES):
        raise ValueError(f"`{name}` is not a field name")
    return spelled


def _line(name: str, value: str) -> bytes:
    try:
        written = value.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"the value of `{name}` holds a character outside Latin-1") from None
    if written.translate(None, VALUE_BYTES):
        raise ValueError(f"the value of `{name}` holds a line break or a control character")
    return _name(name) + b": " + written.strip(b" \t") + b"\r\n"
