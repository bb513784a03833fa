"""Runs of allowed bytes."""

from sidecar.wire.runs import ByteRun


def test_a_run_ends_at_the_first_byte_outside_the_set_or_at_the_limit() -> None:
    run = ByteRun(b"ab]^-\\")
    assert run.end(b"xab-]^\\c", 1, 8) == 7
    assert run.end(b"xab", 1, 2) == 2
    assert run.end(b"aaa", 3, 3) == 3
    assert run.end(b"c", 0, 1) == 0


def test_every_byte_is_either_in_or_out() -> None:
    every = bytes(range(256))
    run = ByteRun(every[::2])
    assert [run.end(every[i : i + 1], 0, 1) for i in range(256)] == [1, 0] * 128
