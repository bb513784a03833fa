"""Every input that is kept, through its target: what once broke a claim never does again."""

from __future__ import annotations

import pytest

from tests.fuzz import corpus
from tests.fuzz.table import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_of_the_corpus_breaks_a_claim(name: str) -> None:
    run = TARGETS[name].load()
    found = corpus.inputs(name)
    assert found, "a target has inputs to begin with"
    for path in found:
        try:
            run(path.read_bytes())
        except Exception as error:  # the input is what tells most
            pytest.fail(f"{path.relative_to(corpus.FOLDER)}: {type(error).__name__}: {error}")


def test_the_corpus_is_small_and_belongs_to_targets() -> None:
    folders = {path.name for path in corpus.FOLDER.iterdir()}
    assert folders == set(TARGETS)
    files = [path for name in TARGETS for path in corpus.inputs(name)]
    assert max(path.stat().st_size for path in files) <= corpus.LONGEST
    assert sum(path.stat().st_size for path in files) <= 400 << 10


def test_what_a_run_picks_takes_the_place_of_what_was_picked(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "FOLDER", tmp_path)
    assert corpus.keep("x", [b"bb", b"a"]) == 2
    corpus.inputs("x")[0].rename(corpus.FOLDER / "x" / "found-a-fault")
    stays = corpus.staying("x")[0].read_bytes()
    assert corpus.keep("x", [b"c", stays, b"d" * (corpus.LONGEST + 1)]) == 1
    assert sorted(path.read_bytes() for path in corpus.inputs("x")) == sorted([b"c", stays])


def test_what_is_picked_stays_within_its_room(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "FOLDER", tmp_path)
    many = [bytes((number,)) * 1000 for number in range(64)]
    assert corpus.keep("x", many) == corpus.MOST_BYTES // 1000
    assert corpus.keep("x", [b"a" * size for size in range(1000)]) <= corpus.MOST_PICKED
    sizes = sorted(path.stat().st_size for path in corpus.inputs("x"))
    assert sizes[0] < 50
    assert sizes[-1] > 300
