"""The accepted differences as the page about fuzzing has them; `python -m tests.differential --tables` prints them."""

from __future__ import annotations

from tests.differential.answer_ways import WAYS
from tests.differential.known import REFUSED, TAKEN
from tests.differential.norms import NORMS

_NAMES = {"nginx": "nginx 1.22", "haproxy": "HAProxy 2.6", "envoy": "Envoy", "caddy": "Caddy 2.6"}


def tables() -> str:
    """All of them, in Markdown."""
    return "\n\n".join((_behind(), _beside(), _refused(), _before()))


def _behind() -> str:
    rows = [
        f"| {called} | {what} | {one.title} | {one.reason} |"
        for name, called in _NAMES.items()
        for what, these in (("refuses", NORMS[name].refusals), ("changes", NORMS[name].changes))
        for one in these
    ]
    return "\n".join(["| behind Sidecar | | what is forwarded | why it is |", "|---|---|---|---|", *rows])


def _beside() -> str:
    rows = [f"| {one.title} | {one.reason} |" for one in TAKEN]
    return "\n".join(["| taken here, refused by others | why |", "|---|---|", *rows])


def _refused() -> str:
    rows = [f"| {detail} | {reason} |" for detail, reason in REFUSED.items()]
    return "\n".join(["| refused here, taken by some | why |", "|---|---|", *rows])


def _before() -> str:
    rows = [f"| {called} | {way.title} | {way.reason} |" for name, called in _NAMES.items() for way in WAYS[name].known]
    return "\n".join(["| in front of Sidecar | answers that change on their way | how |", "|---|---|---|", *rows])
