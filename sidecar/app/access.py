"""The access log of a proxy: what the rules say of it, in its own words, and where its lost lines are told."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable

from sidecar.rules.schema import LogRule
from sidecar.telemetry.file_writer import FileWriter
from sidecar.telemetry.log import AccessLog, AccessSettings
from sidecar.telemetry.stats import Stats
from sidecar.telemetry.stream_writer import StreamWriter
from sidecar.transport.tasks import Tasks


def access_log(
    rule: LogRule, write: Callable[[bytes], bool], stats: Stats, tasks: Tasks, rng: random.Random
) -> AccessLog:
    """A log that writes with `write`; what that loses later is told on the running loop."""
    coloured = isinstance(write, StreamWriter) and write.coloured
    log = AccessLog(access_settings(rule), stats, write, tasks.start, rng.random, coloured=coloured)
    if isinstance(write, FileWriter):
        loop = asyncio.get_running_loop()
        write.lost = lambda count, untold: loop.call_soon_threadsafe(log.lost, count, untold)
    return log


def access_settings(rule: LogRule) -> AccessSettings:
    """What the rules ask of the access log."""
    slow = math.inf if rule.sampled.slow is None else rule.sampled.slow
    return AccessSettings(rule.access, rule.format, rule.sampled.share, slow, rule.sampled.rate)
