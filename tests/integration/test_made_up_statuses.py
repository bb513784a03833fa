"""The terminal and the dashboard are tested over made-up statuses: a running proxy has to tell what those tell."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.doubles import sample_status, told_status
from tests.doubles.backend import Backend
from tests.doubles.process import process
from tests.doubles.running import example, rules_text, running

RULES = {
    "route": "rate_limits: [{name: per-client, rate: 10/s, key: client_ip}, {name: whole, rate: 10/s}], "
    "concurrency: {max: 5, max_queue: 5}, circuit_breaker: {}",
    "upstream": "hold: {max_requests: 5}, ejection: {}",
}
# What these hold is by names and words that come and go.
COUNTS = {
    "statuses", "rejections", "rejected_by", "shadow_rejected_by", "refused", "shadow_refused", "retries",
    "retries_skipped", "fallbacks", "attempts",
}  # fmt: skip
# Things by their names, each of them made alike.
THINGS = {"breakers", "limits"}


def unknown(made_up: Any, real: Iterable[Any], place: str = "") -> Iterator[str]:
    """What no real one has of what the made-up one tells, by its place."""
    real = list(real)
    if isinstance(made_up, Mapping):
        real = [one for one in real if isinstance(one, Mapping)]
        for key, value in made_up.items():
            below = f"{place}.{key}"
            found = [one[key] for one in real if key in one]
            if not found:
                yield below
            elif key in THINGS:
                everyone = [thing for one in found for thing in one.values()]
                for thing in value.values():
                    yield from unknown(thing, everyone, f"{below}.*")
            elif key == "policies":
                for name, policy in value.items():
                    kind = name.rpartition("/")[2]
                    alike = [one for all_ in found for name, one in all_.items() if name.rpartition("/")[2] == kind]
                    yield from unknown(policy, alike, f"{below}.{kind}")
            elif key not in COUNTS:
                yield from unknown(value, found, below)
    elif isinstance(made_up, list):
        everyone = [thing for one in real for thing in one]
        for thing in made_up:
            yield from unknown(thing, everyone, f"{place}.*")


@pytest.mark.parametrize(
    "made_up",
    [sample_status.STATUS, told_status.status()],
    ids=["the terminal's", "the dashboard's"],
)
async def test_a_running_proxy_tells_whatever_a_made_up_status_tells(made_up: dict[str, Any], tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    async with Backend() as backend:
        rules.write_text(rules_text(backend.url, **RULES))
        async with process(rules=rules) as whole, running(given=example("fault", backend.url)) as faulty:
            real = [json.loads((await whole.admin("GET", "/status")).body), await faulty.status()]
    assert sorted(set(unknown(made_up, real))) == []
