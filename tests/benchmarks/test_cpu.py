"""The CPU and memory reader, on children that really burn and really hold."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import cpu

# Burns until it has used 0.3 s itself (not for 0.3 s, so a busy machine changes nothing), says so, waits for its end.
BURN = """
import os, sys
while sum(os.times()[:2]) < 0.3:
    pass
print("burnt", flush=True)
sys.stdin.read()
"""
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print("burnt", flush=True)
sys.stdin.read()
child.communicate()
"""


@contextmanager
def ready(*arguments: str) -> Iterator[int]:
    """A Python child that has printed its line, leader of its own group; ended by closing its input."""
    command = [sys.executable, "-c", *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"burnt\n"
        yield process.pid
    finally:
        process.communicate(timeout=30)


def test_a_burning_child_is_charged_what_it_used() -> None:
    with ready(BURN) as pid:
        assert 0.28 <= cpu.cpu_seconds(pid) < 5.0


def test_grandchildren_are_charged_to_the_tree() -> None:
    with ready(PARENT, BURN) as pid:
        assert len(cpu.tree(pid)) == 2
        assert cpu.cpu_seconds(pid) >= 0.28


def test_memory_counts_every_member_of_the_tree() -> None:
    with ready(PARENT, BURN) as pid:
        leader, child = cpu.tree(pid)
        assert leader == pid
        whole = cpu.resident_bytes(pid)
        assert whole > cpu.resident_bytes(child) > 1_000_000


def test_a_process_that_is_gone_has_an_empty_tree_and_no_cost() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait(30)
    assert cpu.tree(process.pid) == []
    assert cpu.cpu_seconds(process.pid) == 0.0
    assert cpu.resident_bytes(process.pid) == 0


def test_a_group_is_its_leader_and_what_that_started() -> None:
    with ready(PARENT, BURN) as pid:
        assert sorted(cpu.group(pid)) == sorted(cpu.tree(pid))
        assert len(cpu.group(pid)) == 2
    assert cpu.group(pid) == []


def test_our_own_process_is_in_its_own_tree() -> None:
    assert cpu.tree(os.getpid())[0] == os.getpid()
