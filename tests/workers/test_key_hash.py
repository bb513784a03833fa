"""Workers agree on a key's hash, and nobody else knows it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.workers.key_hash import key_hash, keyed_hash

ROOT = Path(__file__).resolve().parents[2]
KEYS = ("", "10.0.0.1", "Grüße", "\udcff as headers are read")


def test_it_is_pythons_own_where_that_can_be_seeded() -> None:
    assert key_hash() is hash


def test_the_same_secret_gives_the_same_hash_and_another_one_another() -> None:
    ours, theirs, others = keyed_hash(b"1"), keyed_hash(b"1"), keyed_hash(b"2")
    for key in KEYS:
        assert ours(key) == theirs(key) != others(key)
    assert len({ours(key) for key in KEYS}) == len(KEYS)


def test_two_frozen_processes_agree_by_their_seed_alone() -> None:
    script = "import sys; sys.frozen = True; from sidecar.workers.key_hash import key_hash; print(key_hash()('a key'))"
    told = [
        # `-E` keeps Python from hearing of the seed, as a frozen one does not.
        subprocess.run(
            [sys.executable, "-E", "-c", script],
            env={"PYTHONHASHSEED": seed},
            cwd=ROOT,
            check=True,
            capture_output=True,
            timeout=60,
        ).stdout
        for seed in ("7", "7", "8")
    ]
    assert told[0] == told[1] != told[2]


def test_a_frozen_worker_without_a_seed_does_not_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    with pytest.raises(KeyError):
        key_hash()
