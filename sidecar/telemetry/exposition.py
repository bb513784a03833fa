"""The two text formats that scrapers read, written a sample at a time.

Owns how a family and its samples are written, and which format an Accept header asks for. The encoders of
prometheus_client say the same and took 12 s for 10 000 routes, on the loop that serves; what is written here comes in
pieces, and whoever asked gives others a turn between them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

COUNTER, GAUGE, HISTOGRAM, INFO = "counter", "gauge", "histogram", "info"
# What names of samples have that names of families in OpenMetrics do not.
_ENDINGS = {COUNTER: "_total", INFO: "_info"}

# A piece is written in about a millisecond.
_PIECE_CHARACTERS = 1 << 15
_PIECE_SAMPLES = 256

_IN_LABELS = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def asked_for(accept: str) -> str:
    """TEXT, or OPENMETRICS where an Accept header names it (RFC 9110 section 12.5.1) and likes text no better."""
    weights = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for part in accept.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        told = dict(parameter.partition("=")[::2] for parameter in parameters)
        if kind in weights and (kind == "text/plain" or told.get("version", "1.0.0").strip('"') == "1.0.0"):
            weights[kind] = max(weights[kind], _weight(told.get("q", "1")))
    wanted, otherwise = weights.values()
    return OPENMETRICS if wanted > 0 and wanted >= otherwise else TEXT


class Family:
    """One metric. `name` is that of its samples, but for what a histogram's add; `help` is one line."""

    __slots__ = ("_before", "_kind", "_labels", "_name", "_order", "_text")

    def __init__(self, kind: str, name: str, text: str, labels: Sequence[str] = ()) -> None:
        self._kind = kind
        self._name = name
        self._text = text
        self._labels = labels
        self._order = sorted(range(len(labels)), key=labels.__getitem__)
        named = ",".join(f'{labels[place]}="%s"' for place in self._order)
        self._before = f"{name}{{{named}}} " if labels else f"{name} "

    def head(self, form: str) -> str:
        """What stands before the samples in that format."""
        name, kind = self._name, self._kind
        if form == OPENMETRICS:
            name = name.removesuffix(_ENDINGS.get(kind, ""))
        elif kind == INFO:
            kind = GAUGE
        return f"# HELP {name} {self._text}\n# TYPE {name} {kind}\n"

    def sample(self, labels: Sequence[str], value: float) -> str:
        """One sample; `labels` are the values of the family's labels, in the order of their names above."""
        if not labels:
            return f"{self._before}{_number(value)}\n"
        shown = tuple([labels[place].translate(_IN_LABELS) for place in self._order])
        return f"{self._before % shown}{_number(value)}\n"

    def histogram(
        self, label: str, les: Sequence[str], cumulated: Iterable[int], total: float, marks: Mapping[int, str]
    ) -> str:
        """All samples of one histogram, whose one label follows `le` in the alphabet. `marks` follow the buckets that
        they are of."""
        name, one = self._name, f'{self._labels[0]}="{label.translate(_IN_LABELS)}"'
        count = 0
        lines = []
        for place, (le, count) in enumerate(zip(les, cumulated, strict=True)):
            lines.append(f'{name}_bucket{{le="{le}",{one}}} {count}.0{marks.get(place, "")}\n')
        lines.append(f"{name}_count{{{one}}} {count}.0\n{name}_sum{{{one}}} {_number(total)}\n")
        return "".join(lines)


def exemplar(trace_id: str, seconds: float) -> str:
    """The mark of a bucket in OpenMetrics; Prometheus text has no place for it. Without a time: who scrapes knows its
    own."""
    return f' # {{trace_id="{trace_id}"}} {_number(seconds)}'


def in_pieces(written: Iterable[str]) -> Iterator[bytes]:
    """The same as bytes, in pieces that take about as long each."""
    piece: list[str] = []
    size = 0
    for text in written:
        piece.append(text)
        size += len(text)
        if size >= _PIECE_CHARACTERS or len(piece) >= _PIECE_SAMPLES:
            yield "".join(piece).encode()
            piece.clear()
            size = 0
    yield "".join(piece).encode()


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(float(value))
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0
