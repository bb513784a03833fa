"""inject and uninject, as they are typed."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from sidecar import __version__
from sidecar.cli.main import main
from tests.inject.invariants import MANIFESTS, given, injected

WEB = str(MANIFESTS / "web.yaml")
Captured = pytest.CaptureFixture[str]


def test_manifests_are_printed_and_what_became_of_them_is_told(capsys: Captured) -> None:
    assert main(["inject", "-f", WEB]) == 0
    told = capsys.readouterr()
    assert told.out == injected(given("web.yaml")).replace("9.9.9", __version__)
    assert told.err == (
        f"{WEB}:2:1: injected: Deployment/web: http 3000 behind 13000\n"
        f"{WEB}:28:1: note: Service/web: is led elsewhere: apply it once the workload is rolled out; older pods do not "
        "listen there\n"
    )


def test_standard_input_and_several_files_are_one_stream(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbf" + given("numbers.yaml").encode())))
    assert main(["inject", "-f", "-", "-f", WEB, "--image", "mirror/sidecar:2", "--workers", "auto"]) == 0
    told = capsys.readouterr()
    assert told.out.count("image: mirror/sidecar:2") == 2
    assert "<stdin>:1:1: injected: Deployment/legacy" in told.err


def test_uninject_undoes_it(tmp_path: Path, capsys: Captured) -> None:
    main(["inject", "-f", WEB])
    path = tmp_path / "injected.yaml"
    path.write_text(capsys.readouterr().out)
    assert main(["uninject", "-f", str(path)]) == 0
    assert capsys.readouterr().out == given("web.yaml")


def test_a_refusal_ends_with_1_and_passes_the_object_through(capsys: Captured) -> None:
    job = MANIFESTS / "job.yaml"
    assert main(["inject", "-f", str(job)]) == 1
    told = capsys.readouterr()
    assert told.out == job.read_text()
    assert told.err.splitlines()[-1] == "sidecar: 1 refused; it was passed through as it is"


def test_nothing_to_inject_ends_with_1(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "service.yaml").write_text("apiVersion: v1\nkind: Service\nmetadata: {name: x}\n")
    for verb in ("inject", "uninject"):
        assert main([verb, "-f", str(tmp_path / "service.yaml")]) == 1
        assert "sidecar: no workload is in this input" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: [\n", "the manifests cannot be read, and nothing is printed"),
        (b"a: \xff\n", "is not UTF-8 at byte 3"),
        (None, "cannot be read: No such file or directory"),
    ],
)
@pytest.mark.parametrize("verb", ["inject", "uninject"])
def test_what_cannot_be_read_prints_nothing(
    content: bytes | None, said: str, verb: str, tmp_path: Path, capsys: Captured
) -> None:
    path = tmp_path / "m.yaml"
    if content is not None:
        path.write_bytes(content)
    assert main([verb, "-f", WEB, "-f", str(path)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err


def test_rules_are_read_and_checked(tmp_path: Path, capsys: Captured) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("version: 1\nupstreams: {app: {endpoints: ['http://127.0.0.1:3000']}}\nroutes: [{name: a}]\n")
    assert main(["inject", "-f", WEB, "-c", str(rules)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"{rules}:3:")
    assert "sidecar: the rules cannot be used, and nothing is printed" in told.err
    assert main(["inject", "-f", WEB, "-c", str(tmp_path / "none.yaml")]) == 1
    assert "none.yaml: cannot be read" in capsys.readouterr().err
    assert main(["inject", "-f", WEB, "--set", "drain.bogus=1"]) == 1


@pytest.mark.parametrize(
    "words",
    [
        ["--image", ""],
        ["--image", "a b"],
        ["--config-map", "Bad Name"],
        [],
        ["--port", "a=udp"],
        ["--drain", "5"],
        ["--drain", "2h"],
        ["--workers", "0"],
        ["--drain", "5s", "-c", "x"],
    ],
)
def test_words_that_mean_nothing_are_usage(words: list[str], capsys: Captured) -> None:
    assert main(["inject", *(["-f", WEB] if words else []), *words]) == 2
    assert "usage" in capsys.readouterr().err
