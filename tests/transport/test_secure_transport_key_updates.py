"""Peers that have us answer: the layer does so, at their pace and not without end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tls.key_updates import key_updates
from tests.transport.doubles import VirtualLoop
from tests.transport.secure_ends import ServerWire


@pytest.fixture
def wire(virtual: VirtualLoop, tmp_path: Path) -> ServerWire:
    """An established connection whose client's secrets are written down."""
    made = ServerWire(virtual, tmp_path)
    made.peer.object.context.keylog_filename = str(tmp_path / "keys")
    made.accept()
    made.shake()
    made.inner.transport.write(b"hello")  # the ticket goes with it
    assert made.hear() == b"hello"
    made.inner.calls.clear()
    return made


def test_new_keys_are_given_to_whoever_asks_for_them(wire: ServerWire, tmp_path: Path) -> None:
    wire.give(key_updates(tmp_path / "keys", 3))
    assert wire.pipe.fresh()
    assert wire.inner.calls == []


def test_who_takes_no_answer_is_not_read_until_it_does(wire: ServerWire, tmp_path: Path) -> None:
    wire.layer.pause_writing()
    wire.give(key_updates(tmp_path / "keys", 2))  # OpenSSL answers each when the next one is here
    assert not wire.pipe.reading
    wire.layer.resume_writing()
    assert wire.pipe.reading


def test_who_asks_again_and_again_in_one_read_is_cut(wire: ServerWire, tmp_path: Path) -> None:
    wire.give(key_updates(tmp_path / "keys", 1000))
    assert wire.inner.calls == [("lost", "TlsFailure")]
    assert wire.pipe.aborted
    wire.lose()
    assert wire.inner.names == ["lost"]
