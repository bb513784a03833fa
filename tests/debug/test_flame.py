"""Profiles are folded for other tools, and drawn so that nothing but the picture is needed."""

import re
from typing import Any
from xml.etree import ElementTree

import pytest

from sidecar.debug.flame import drawn, folded
from sidecar.debug.sampler import FRAMELESS, IDLE

SVG = "{http://www.w3.org/2000/svg}"


def told(*stacks: tuple[tuple[str, ...], int], busy: float | None = 0.25) -> dict[str, Any]:
    count = sum(count for _, count in stacks)
    return {"seconds": 5.0, "hz": 200, "samples": count, "busy": busy, "stacks": list(stacks)}


TWO: dict[str, dict[str, Any]] = {
    "supervisor": told(((IDLE,), 90), ((FRAMELESS,), 10)),
    "worker 0": told((("sidecar/a/b.py:<module>", "sidecar/a/c.py:D.e"), 30), (("sidecar/a/b.py:<module>",), 10)),
    "worker 1": {"error": "no answer within 15 s: it; stands still"},
}


def test_folded_stacks_have_a_root_for_each_process() -> None:
    assert folded(TWO).splitlines() == [
        "supervisor;(idle) 90",
        f"supervisor;{FRAMELESS} 10",
        "worker 0;sidecar/a/b.py:<module>;sidecar/a/c.py:D.e 30",
        "worker 0;sidecar/a/b.py:<module> 10",
        "worker 1: no answer within 15 s: it, stands still 1",
    ]


def test_every_box_is_as_wide_as_its_share_of_the_time_that_was_not_idle() -> None:
    root = ElementTree.fromstring(drawn(TWO))
    boxes = {}
    for group in root.iter(f"{SVG}g"):
        title, box = group.find(f"{SVG}title"), group.find(f"{SVG}rect")
        assert title is not None
        assert box is not None
        boxes[title.text] = (float(box.get("x", "")), float(box.get("width", "")), float(box.get("y", "")))
    process = boxes["worker 0: 40 samples, 80.0 %"]
    inner = boxes["sidecar/a/c.py:D.e: 30 samples, 60.0 %"]
    assert process[1] == pytest.approx(1180 * 0.8, abs=0.1)
    assert inner[1] == pytest.approx(1180 * 0.6, abs=0.1)
    assert inner[0] == process[0]
    assert inner[2] > process[2]
    assert not [title for title in boxes if title and "idle" in title]


def test_the_picture_says_how_busy_who_was_and_what_it_cannot_see() -> None:
    text = "".join(ElementTree.fromstring(drawn(TWO)).itertext())
    assert "supervisor: 100 samples in 5 s at 200 Hz, busy 25.0 % of the time" in text
    assert "worker 1: no answer within 15 s" in text
    assert "Compiled modules have no Python frames" in text
    assert "perf record" in text


def test_the_picture_needs_no_script_and_no_style() -> None:
    picture = drawn(TWO)
    assert not re.search(r"<script|<style|style=|\bon\w+=|href", picture)
    assert picture.startswith("<svg")


def test_a_process_that_was_idle_all_the_time_is_drawn_as_such() -> None:
    root = ElementTree.fromstring(drawn({"sidecar": told(((IDLE,), 100), busy=None)}))
    assert "sidecar: 100 samples in 5 s at 200 Hz" in "".join(root.itertext())
    assert list(root.iter(f"{SVG}g")) == []


def test_what_is_too_narrow_to_be_seen_is_left_out_and_names_are_cut_to_fit() -> None:
    stacks = [((f"package/module.py:{'long' * 30}{number}",), 1) for number in range(20)]
    root = ElementTree.fromstring(drawn({"p": told(*stacks, (("rest.py:f",), 1_000_000))}))
    assert len(list(root.iter(f"{SVG}g"))) == 2
    root = ElementTree.fromstring(drawn({"p": told(*stacks)}))
    labels = [text.text for text in root.iter(f"{SVG}text") if text.text and text.text.endswith("…")]
    assert len(labels) == 20
