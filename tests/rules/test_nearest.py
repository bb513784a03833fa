"""The word that was probably meant."""

from __future__ import annotations

from sidecar.rules.nearest import nearest


def test_a_slip_names_the_word_that_was_meant_and_nonsense_names_none() -> None:
    assert nearest("admni", ["admin", "drain"]) == "; did you mean `admin`?"
    assert nearest("xyz", ["admin", "drain"]) == ""
    assert nearest("1.1", ["1.2", "1.3"]) == ""
    assert nearest("x" * 100_000, ["admin"]) == ""
