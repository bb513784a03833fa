"""The targets: what each is fed, which words it is taught, and where it is worth the while to run compiled.

A target takes bytes and answers what they came to, in values that compare; it raises where a claim does not hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from tests.fuzz import words


@dataclass(frozen=True, slots=True)
class Target:
    """One function under attack, `place` in tests/fuzz/targets. `compiled`: modules that it goes through are compiled
    in a release. `weight`: its share of the time. `cut`: what parts its inputs, for mutations that keep a structure."""

    name: str
    place: str
    words: tuple[bytes, ...]
    compiled: bool = True
    weight: float = 1.0
    cut: bytes = b"\r\n"
    longest: int = 2048

    def load(self) -> Callable[[bytes], object]:
        """The function. Not before it is needed: coverage is measured in what is imported from then on."""
        module, _, name = self.place.partition(".")
        found: Callable[[bytes], object] = getattr(import_module(f"tests.fuzz.targets.{module}"), name)
        return found


TARGETS = {
    target.name: target
    for target in (
        Target("request-head", "heads.request", words.HEADS, weight=3),
        Target("response-head", "heads.response", words.HEADS, weight=2),
        Target("head-in-pieces", "heads.splits", words.HEADS, weight=1.5, longest=1200),
        Target("requests", "bodies.requests", (*words.HEADS, *words.CHUNKS), weight=3),
        Target("answers", "bodies.answers", (*words.HEADS, *words.CHUNKS), weight=2),
        Target("chunks", "bodies.chunked", words.CHUNKS, weight=2, longest=700),
        Target("trailers", "bodies.trailers", words.HEADS),
        Target("targets", "paths.targets", words.PATHS, weight=1.5, cut=b"/"),
        Target("addresses", "fields.addresses", words.FORWARDED, weight=1.5),
        Target("traces", "fields.traces", words.TRACES),
        Target("keys", "fields.keys", words.KEYS),
        Target("edits", "fields.edits", words.KEYS, weight=0.5),
        Target("values", "values.values", words.VALUES, cut=b","),
        Target("proxy-header", "values.proxy_header", words.PROXY, compiled=False, cut=b" "),
        Target("frames", "values.frames", words.FRAMES, weight=0.5, cut=b"\x81"),
        Target("client", "connections.client", (*words.HEADS, *words.CHUNKS), compiled=False, weight=2, longest=1200),
        Target(
            "endpoint", "connections.endpoint", (*words.HEADS, *words.CHUNKS), compiled=False, weight=2, longest=1200
        ),
        Target("rules", "texts.rules", words.RULES, compiled=False, weight=3, cut=b"\n", longest=4096),
        Target("manifests", "texts.manifests", words.MANIFESTS, compiled=False, weight=1.5, cut=b"\n", longest=4096),
        Target("scenarios", "texts.scenarios", words.SCENARIOS, compiled=False, cut=b"\n", longest=4096),
        Target("log-lines", "texts.log_lines", (), compiled=False, weight=0.5, cut=b"\n"),
    )
}
