"""Problems print the way compilers do."""

from __future__ import annotations

from sidecar.rules.problems import ConfigError, Problem


def test_a_problem_prints_with_its_place_or_only_its_source() -> None:
    assert str(Problem("f.yaml", 3, 5, "error", "wrong")) == "f.yaml:3:5: error: wrong"
    assert str(Problem("--listen", 0, 0, "warning", "odd")) == "--listen: warning: odd"


def test_what_run_refuses_says_so_until_it_is_an_error() -> None:
    warning = Problem("f.yaml", 3, 5, "warning", "no TLS", refused=True)
    assert str(warning) == "f.yaml:3:5: warning: no TLS; `sidecar run` refuses"
    assert warning.as_error() == Problem("f.yaml", 3, 5, "error", "no TLS")


def test_a_config_error_carries_and_prints_every_problem() -> None:
    error = ConfigError([Problem("f", 1, 1, "error", "a"), Problem("f", 2, 1, "error", "b")])
    assert len(error.problems) == 2
    assert str(error) == "f:1:1: error: a\nf:2:1: error: b"


def test_what_a_message_quotes_steers_no_terminal_and_ends_no_line() -> None:
    assert str(Problem("f", 1, 1, "error", "unknown key `\x1b[2J\n`")) == "f:1:1: error: unknown key `\\x1b[2J\\n`"
