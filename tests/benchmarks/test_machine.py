"""Placement, limits and what is written beside a result."""

import os
import resource
import sys

from benchmarks import machine


def test_pinning_lasts_for_the_block_only() -> None:
    before = os.sched_getaffinity(0)
    cpu = min(before)
    with machine.pinned(cpu):
        assert os.sched_getaffinity(0) == {cpu}
    assert os.sched_getaffinity(0) == before


def test_no_cpu_means_no_pinning() -> None:
    before = os.sched_getaffinity(0)
    with machine.pinned(None):
        assert os.sched_getaffinity(0) == before


def test_a_single_cpu_is_shared_by_all() -> None:
    with machine.pinned(min(os.sched_getaffinity(0))):
        place = machine.placement()
    assert place == machine.Placement(None, None)
    assert place.describe() == "not pinned (only one CPU)"


def test_proxy_and_rest_never_share_a_cpu_when_there_are_two() -> None:
    place = machine.placement()
    assert place.proxy is None or place.proxy != place.rest


def test_the_file_limit_is_never_lowered() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        assert machine.raise_open_files(1) == soft
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_command_is_asked_for_its_first_line() -> None:
    assert machine.first_line([sys.executable, "-c", "print(); print(' one '); print('two')"]) == "one"
    assert machine.first_line([sys.executable, "-c", "raise SystemExit('broken')"]) == "unknown"
    assert machine.first_line(["/nonexistent/program"]) == "unknown"


def test_the_description_names_what_a_reader_needs() -> None:
    found = machine.describe()
    assert set(found) == {"processor", "cpus", "memory", "kernel", "python"}
    assert found["memory"].endswith(" GiB")
    assert all(found.values())
