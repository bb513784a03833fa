"""Where mutation begins: what was found before, what other tests found worth a case, and the corpus of the fuzzers."""

from __future__ import annotations

from pathlib import Path

from tests.differential.findings import FINDINGS
from tests.integration.test_smuggling import PASSED, REFUSED
from tests.wire.test_head_mutations import REQUESTS

_CORPUS = Path(__file__).resolve().parents[1] / "fuzz" / "corpus"
_MOST = 4096


def corpus() -> tuple[bytes, ...]:
    """What the fuzzers have kept of requests; for long runs, since it grows and with it what a seed means."""
    kept = [path.read_bytes() for path in sorted(_CORPUS.glob("*request*/*")) if path.is_file()]
    return tuple([data for data in kept if 0 < len(data) <= _MOST])


SEEDS: tuple[bytes, ...] = (
    *[found.data for found in FINDINGS],
    *REQUESTS,
    *[case.data for case in REFUSED],
    *[case.data for case in PASSED],
)
