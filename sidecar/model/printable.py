"""Text that came from outside, made fit for a line: nothing in it ends the line, or steers the terminal."""

from __future__ import annotations

import json


def printable(text: str) -> str:
    """The text, with what Unicode says is not printable as escapes: control characters, line ends, changes of
    direction, lone surrogates, spaces other than the usual one."""
    if text.isprintable():
        return text
    return "".join([one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text])


def printable_json(text: str) -> str:
    """The same of a JSON text on one line, in which such characters stand inside of strings only; its value stays."""
    if text.isprintable():
        return text
    return "".join([one if one.isprintable() else json.dumps(one)[1:-1] for one in text])
