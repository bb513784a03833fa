"""The exit codes people rely on, and the one exception that ends a command with a sentence."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """How a command ends; fixed, because scripts and orchestrators act on them."""

    DONE = 0
    FAILED = 1  # rules that cannot be used; for status and drain: no running sidecar answered
    USAGE = 2
    BIND = 3
    CUT = 4
    BROKEN = 5  # neither the rules nor an address are at fault: to start again may help
    UNMET = 6  # a drill ran to its end, and what it expects did not come true


class CommandError(Exception):
    """A command cannot go on. The message is a sentence for the operator; nothing else is printed."""

    def __init__(self, code: Exit, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
