"""How many connections one side has, by what they are doing: plain counts, one object for each side."""

from __future__ import annotations


class Connections:
    """Connections with an exchange, and those without."""

    __slots__ = ("active", "idle")

    def __init__(self) -> None:
        self.active = 0
        self.idle = 0
