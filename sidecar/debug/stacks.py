"""Where every task and every thread of this process stands.

A task that waits has no stack of its own: what is told is the chain of coroutines, each awaiting the next, the
outermost first. Compiled coroutines are told by their names, their lines are not known. No variable's value is told.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterable, Mapping
from types import FrameType
from typing import Any

from sidecar.debug.places import place

# Enough for whoever looks, and a bound for the message and the page when there are a hundred thousand.
MOST_TASKS = 1000
_MOST_LINES = 50


def tasks(began: Mapping[asyncio.Task[Any], float], now: float) -> dict[str, object]:
    """Every task of the running loop, the oldest first. `began` is when those started whose start is known, in the
    seconds of `now`."""
    every = sorted(asyncio.all_tasks(), key=lambda task: began.get(task, now))
    current = asyncio.current_task()
    told = [_task(task, task is current, began.get(task), now) for task in every[:MOST_TASKS]]
    return {"count": len(every), "tasks": told, "threads": threads()}


def threads() -> list[dict[str, object]]:
    """Every thread that Python knows of, the main one first."""
    frames = sys._current_frames()
    here, main = threading.get_ident(), threading.main_thread()
    known = sorted(threading.enumerate(), key=lambda thread: (thread is not main, thread.name))
    return [
        {
            "name": thread.name,
            "daemon": thread.daemon,
            "loop": thread.ident == here,
            "stack": _stack(frames.get(thread.ident or 0)),
        }
        for thread in known
    ]


def _task(task: asyncio.Task[Any], running: bool, began: float | None, now: float) -> dict[str, object]:
    coroutine = task.get_coro()
    return {
        "name": task.get_name(),
        "coroutine": getattr(coroutine, "__qualname__", type(coroutine).__qualname__),
        "state": "running" if running else "cancelling" if task.cancelling() else "waiting",
        "age_seconds": None if began is None else round(now - began, 3),
        "stack": list(_awaited(coroutine)),
        "waits_for": None if running else _awaited_future(getattr(task, "_fut_waiter", None)),
    }


def _awaited(awaited: object) -> Iterable[str]:
    for _ in range(_MOST_LINES):
        frame = _first(awaited, "cr_frame", "gi_frame", "ag_frame")
        if isinstance(frame, FrameType):
            yield place(frame.f_code, frame.f_lineno)
        elif hasattr(awaited, "__qualname__"):
            yield f"(compiled) {awaited.__qualname__}"
        awaited = _first(awaited, "cr_await", "gi_yieldfrom", "ag_await")
        if awaited is None:
            return


def _first(owner: object, *names: str) -> object:
    return next((found for name in names if (found := getattr(owner, name, None)) is not None), None)


def _awaited_future(future: object) -> str | None:
    if future is None:
        return None
    if isinstance(future, asyncio.Task):
        return f"task {future.get_name()}"
    return type(future).__qualname__


def _stack(frame: FrameType | None) -> list[str]:
    """The outermost first; of a deep one the innermost lines."""
    told: list[str] = []
    while frame is not None and len(told) < _MOST_LINES:
        told.append(place(frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return told[::-1]
