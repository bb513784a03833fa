"""check and schema."""

import json
from pathlib import Path

import pytest

from sidecar.cli.main import main

GOOD = "version: 1\nupstreams: {app: {endpoints: [http://127.0.0.1:3000]}}\nroutes: [{name: all, upstream: app}]\n"


def written(folder: Path, text: str, name: str = "s.yaml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_a_good_file_is_ok(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, GOOD)
    assert main(["check", file]) == 0
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", f"{file}: ok\n")


def test_quiet_says_nothing_of_a_good_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "-q", written(tmp_path, GOOD)]) == 0
    assert capsys.readouterr() == ("", "")


def test_every_problem_of_every_file_is_printed_at_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = written(tmp_path, GOOD + "bogus: 1\ndrain: {deadline: soon}\n", "bad.yaml")
    worse = written(tmp_path, GOOD.replace("upstream: app", "upstream: nowhere"), "worse.yaml")
    assert main(["check", bad, worse, written(tmp_path, GOOD)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith(f"{bad}:4:1: error: unknown key `bogus`") for line in lines)
    assert any(line.startswith(f"{bad}:5:") and "`soon`" in line for line in lines)
    assert any(line.startswith(f"{worse}:3:") and "nowhere" in line for line in lines)


def test_a_warning_is_printed_and_fails_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shadowed = GOOD.replace("[{name", "[{name: first, upstream: app}, {name")
    assert main(["check", written(tmp_path, shadowed)]) == 0
    assert ": warning: " in capsys.readouterr().out


def test_what_run_would_refuse_is_a_warning_that_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidecar.app.surroundings.lacking", lambda rules: {"upstreams.app": "`app` needs more"})
    file = written(tmp_path, GOOD)
    assert main(["check", file]) == 0
    assert capsys.readouterr().out == f"{file}:2:13: warning: `app` needs more; `sidecar run` refuses\n"


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path / "none.yaml")]) == 1
    assert "none.yaml: error: " in capsys.readouterr().out


def test_a_value_of_the_command_line_is_checked_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", written(tmp_path, GOOD), "--set", "drain.deadline=soon"]) == 1
    assert "--set drain.deadline: error: " in capsys.readouterr().out


def test_a_file_is_judged_without_what_the_environment_would_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIDECAR_LISTEN", "nonsense")
    monkeypatch.setenv("PORT", "3000")
    assert main(["check", written(tmp_path, GOOD.replace("http://127.0.0.1:3000", "'http://127.0.0.1:${PORT}'"))]) == 0


def test_the_schema_is_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["$schema"].startswith("https://json-schema.org/")
