"""The word that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, words: Iterable[str]) -> str:
    """`; did you mean …?` when one of the words is close, else nothing."""
    if not any(letter.isalpha() for letter in word):
        return ""  # 1.1 looks like 1.3, and is no slip of it
    # Bounded: the comparison is quadratic in the length of what somebody wrote.
    found = get_close_matches(word[:64], list(words), n=1, cutoff=0.6)
    return f"; did you mean `{found[0]}`?" if found else ""
