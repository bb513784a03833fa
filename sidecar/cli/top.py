"""`sidecar top`: a running sidecar, live. A screen where there is one, else a page of text for each look."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import deque
from dataclasses import replace

from sidecar.app.errors import CommandError, Exit
from sidecar.cli.client import understood
from sidecar.cli.looks import Glance, Looks
from sidecar.cli.rates import Pace, pace
from sidecar.cli.sheets import EMPTY, Line, line
from sidecar.cli.terminal import is_screen, keys, raw, signals, tolerant, write
from sidecar.cli.top_view import View, frame, page, starting
from sidecar.model.address import Address

_HISTORY = 30
_STEPS = {"j": 1, "down": 1, "k": -1, "up": -1, "page down": 10, "page up": -10}


class Watch:
    """What is known of a sidecar that is looked at again and again."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._last: Glance | None = None
        self._pace: Pace | None = None
        self._history: deque[float | None] = deque(maxlen=_HISTORY)
        self.trouble = ""  # why there is no newer look

    def hear(self, found: Glance | str) -> None:
        """The next look, or why there is none."""
        if isinstance(found, str):
            self.trouble = found
            self._history.append(None)
            return
        before = None if self._last is None else self._last.told
        self._pace = understood(self._address, lambda: pace(before, found.told))
        self._history.append(None if self._pace is None else self._pace.total().requests)
        self._last, self.trouble = found, ""

    @property
    def measured(self) -> bool:
        """Whether rates are known."""
        return self._pace is not None

    def view(self) -> View | None:
        """What to show, None before the first look."""
        if self._last is None:
            return None
        told = self._last.told
        now = told.get("time", time.time())
        return View(told, self._last.events, now, self._pace, tuple(self._history), self.trouble)


class Desk:
    """What a screen shows, and what keys do to it."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._paused: View | None = None
        self._scroll = 0
        self._furthest = 0

    def press(self, key: str) -> bool:
        """Do what the key asks for; false when it asks to leave."""
        if key in _STEPS:
            self._scroll = min(max(0, self._scroll + _STEPS[key]), self._furthest)
        elif key in ("p", " "):
            view = self._watch.view()
            self._paused = None if self._paused is not None or view is None else replace(view, paused=True)
        return key not in ("q", "Q")

    def lines(self, width: int, height: int) -> list[Line]:
        """The frame for a screen of this size."""
        view = self._paused or self._watch.view()
        made = starting(self._watch.trouble, height) if view is None else frame(view, width, height, self._scroll)
        self._furthest = made.furthest
        self._scroll = min(self._scroll, made.furthest)
        return made.lines


def top(arguments: argparse.Namespace) -> int:
    """Show what a running sidecar is doing, until somebody leaves; with `once`, one page of rates over one interval."""
    address = arguments.admin
    watch = Watch(address)
    tolerant(sys.stdout)
    with Looks(address, arguments.interval) as looks:
        if is_screen(sys.stdout) and not arguments.once:
            _screen(watch, looks, address)
        else:
            _pages(watch, looks, address, once=arguments.once)
    return Exit.DONE


def _screen(watch: Watch, looks: Looks, address: Address) -> None:
    from sidecar.cli import paint  # rich takes longer to import than all the rest

    console, desk = paint.console(), Desk(watch)
    with raw(sys.stdin) as typed, signals(looks.wake), paint.screen(console) as live:
        while True:
            width, height = console.size
            lines = understood(address, lambda: desk.lines(width, height))  # noqa: B023 - called at once
            live.update(paint.painted(lines), refresh=True)
            if looks.wait(typed) and typed is not None:
                for key in keys(os.read(typed, 1024)):
                    if not desk.press(key):
                        return
            for found in looks.take():
                watch.hear(found)


def _pages(watch: Watch, looks: Looks, address: Address, *, once: bool) -> None:
    while True:
        looks.wait()
        for found in looks.take():
            watch.hear(found)
            view = watch.view()
            if once and watch.trouble:
                raise CommandError(Exit.FAILED, watch.trouble)
            if watch.trouble or view is None:
                write([line(watch.trouble), EMPTY])
            elif watch.measured or not once:
                lines = understood(address, lambda: page(view))  # noqa: B023 - called at once
                write(lines if once else [*lines, EMPTY])
                if once:
                    return
