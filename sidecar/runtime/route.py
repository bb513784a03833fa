"""What a matched request is held to, and where it may then go. Made by build.py, read on the path of every request.

Times in seconds, `math.inf` where there is none; a policy that is off is None, or not among the admissions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sidecar.model.observer import RouteObserver
from sidecar.policies.contract import Admission
from sidecar.policies.fallback import Fallback
from sidecar.policies.retry import Retry
from sidecar.policies.split import Split
from sidecar.policies.timeout import TimeoutSpec
from sidecar.runtime.matching import Matcher
from sidecar.runtime.request_key import RequestKey
from sidecar.runtime.upstream import Upstream


class Branch:
    """One upstream that a route leads to, with what holds for an attempt there.

    `admissions` are asked before each attempt, the route's own first. `key` is what the upstream's balance wants to
    know of a request, None when it asks nothing.
    """

    __slots__ = ("admissions", "key", "retry", "upstream")

    def __init__(
        self,
        upstream: Upstream,
        admissions: Sequence[Admission] = (),
        retry: Retry | None = None,
        key: RequestKey | None = None,
    ) -> None:
        self.upstream = upstream
        self.admissions = tuple(admissions)
        self.retry = retry
        self.key = key


class Route:
    """One rule of the file's `routes`.

    `admissions` are asked once a request, in order. `branch` is where it leads, or the first of several; `split`
    chooses among `branches` by `split_key`. One without branches answers by itself: its `branch` leads nowhere.
    `announcer` is the admission whose fields every answer carries, `meter` the one that hears how attempts went.
    `shadow_timeout` holds times that are only counted.
    `rule_index` is the route's place in the rules file, from 0. `edits` is the bridge's own compilation of the rules
    for heads, None when nothing is edited; `answer` that of what the route answers by itself, None where it does not.
    """

    __slots__ = (
        "admissions",
        "announcer",
        "answer",
        "attempt_admissions",
        "attempt_timeout",
        "branch",
        "branches",
        "edits",
        "fallback",
        "idle_timeout",
        "matcher",
        "meter",
        "name",
        "observer",
        "request_timeout",
        "rule_index",
        "shadow_timeout",
        "split",
        "split_key",
        "total_timeout",
    )

    def __init__(
        self,
        name: str,
        branches: Sequence[Branch],
        matcher: Matcher,
        observer: RouteObserver,
        rule_index: int = 0,
        nowhere: Branch | None = None,
    ) -> None:
        """Without `branches` it needs `nowhere`, for whoever asks after retries and hold."""
        if not branches and nowhere is None:
            raise ValueError(f"the route `{name}` leads nowhere")
        self.name = name
        self.branches = tuple(branches)
        self.branch = self.branches[0] if nowhere is None else nowhere
        self.matcher = matcher
        self.observer = observer
        self.rule_index = rule_index
        self.request_timeout = math.inf
        self.attempt_timeout = math.inf
        self.idle_timeout = math.inf
        self.total_timeout = math.inf
        self.shadow_timeout: TimeoutSpec | None = None
        self.admissions: tuple[Admission, ...] = ()
        self.attempt_admissions: tuple[Admission, ...] = ()
        self.announcer: Admission | None = None
        self.meter: Admission | None = None
        self.split: Split | None = None
        self.split_key: RequestKey | None = None
        self.fallback: Fallback | None = None
        # Types of the right tower, which this one may not import.
        self.edits: Any = None
        self.answer: Any = None
