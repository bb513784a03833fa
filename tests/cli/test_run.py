"""From what was typed to rules that can run, or to a sentence."""

from functools import partial
from pathlib import Path

import pytest

from sidecar.app.errors import CommandError, Exit
from sidecar.app.instance import Plan
from sidecar.cli.main import main
from sidecar.cli.run import usable
from sidecar.rules.load import load_rules


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SIDECAR_CONFIG", "SIDECAR_UPSTREAM", "SIDECAR_LISTEN", "SIDECAR_ADMIN"):
        monkeypatch.delenv(name, raising=False)


def test_nothing_to_front_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run"]) == 2
    assert "--upstream" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv",
    [
        ["--upstream", "nonsense"],
        ["--upstream", "http://127.0.0.1:1", "--set", "drain.deadline=soon"],
        ["--upstream", "http://127.0.0.1:1", "--listen", "nonsense"],
        ["-c", "/nonexistent.yaml"],
    ],
    ids=" ".join,
)
def test_rules_that_cannot_be_used_are_told_with_their_problems(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *argv]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert ": error: " in lines[0]
    assert lines[-1] == "sidecar: the rules cannot be used: 1 error"


@pytest.mark.parametrize(
    "argv",
    [
        ["run", "--upstream", "http://127.0.0.1:1", "--set", "listeners.0.protocol=tcp"],
        ["demo", "--set", "listeners.0.protocol=tcp"],
    ],
    ids=" ".join,
)
def test_rules_that_serve_nobody_do_not_start(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*argv, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]) == 1
    problem, end = capsys.readouterr().err.splitlines()
    assert ": error: " in problem
    assert "no route takes the connections of `public`" in problem
    assert end == "sidecar: the rules cannot be used: 1 error"


def test_a_certificate_that_will_not_do_is_told_at_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "version: 1\nlisteners:\n  - address: 127.0.0.1:0\n"
        "    tls: {certificate: /nowhere/a, private_key: /nowhere/b}\n"
        "upstreams: {app: {endpoints: http://127.0.0.1:1}}\nroutes: [{name: all, upstream: app}]\n"
    )
    assert main(["run", "-c", str(path)]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{path}:4:24: error: /nowhere/a cannot be read: No such file or directory",
        f"{path}:4:49: error: /nowhere/b cannot be read: No such file or directory",
        "sidecar: the rules cannot be used: 2 errors",
    ]


def test_the_demo_tells_bad_rules_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--set", "bogus=1"]) == 1
    assert "unknown key `bogus`" in capsys.readouterr().err


def test_every_error_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("version: 1\nupstreams: {app: {endpoints: [http://127.0.0.1:1]}}\nbogus: 1\nbogus2: 1\n")
    with pytest.raises(CommandError, match="errors") as raised:
        usable(partial(load_rules, str(path)))
    assert raised.value.code is Exit.FAILED


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """What would be served, in place of serving it."""
    plans: list[Plan] = []

    def serve(plan: Plan) -> int:
        plans.append(plan)
        return 0

    monkeypatch.setattr("sidecar.app.run.serve", serve)
    monkeypatch.setattr("sidecar.app.run.serve_demo", lambda plan_for, _usual: serve(plan_for("http://127.0.0.1:1")))
    return plans


@pytest.mark.parametrize("fault", [OSError(24, "Too many open files"), BrokenPipeError(), RuntimeError("x")])
def test_a_fault_of_its_own_does_not_look_like_one_of_the_rules(
    fault: Exception,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def serve(plan: Plan) -> int:
        raise fault

    monkeypatch.setattr("sidecar.app.run.serve", serve)
    assert main(["run", "--upstream", "http://127.0.0.1:1"]) == 5
    assert capsys.readouterr().err == f"sidecar: an unexpected fault: {type(fault).__name__}: {fault}\n"
    assert caplog.records[0].exc_info


@pytest.mark.parametrize(
    ("argv", "terminals", "form", "access"),
    [
        (["run", "--upstream", "http://127.0.0.1:1"], {1, 2}, "text", "errors"),
        (["run", "--upstream", "http://127.0.0.1:1"], {2}, "json", "errors"),
        (["run", "--upstream", "http://127.0.0.1:1"], set(), "json", "errors"),
        (["run", "--upstream", "http://127.0.0.1:1", "--set", "log.format=json"], {1, 2}, "json", "errors"),
        (["demo"], {1, 2}, "text", "sampled"),
        (["demo"], {2}, "text", "errors"),
        (["demo", "--set", "log.access=off"], {1, 2}, "text", "off"),
    ],
)
def test_where_people_look_on_the_logs_are_for_people(
    argv: list[str],
    terminals: set[int],
    form: str,
    access: str,
    planned: list[Plan],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sidecar.cli.run.os.isatty", lambda descriptor: descriptor in terminals)
    assert main(argv) == 0
    (plan,) = planned
    log = plan.loaded.rules.log
    assert (log.format, log.access) == (form, access)
    assert plan.read().rules.log == log, "and so they are after a reload"


def test_a_file_says_itself_what_its_logs_are(
    tmp_path: Path, planned: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "version: 1\nupstreams: {app: {endpoints: [http://127.0.0.1:1]}}\nroutes: [{name: all, upstream: app}]\n"
    )
    monkeypatch.setattr("sidecar.cli.run.os.isatty", lambda _: True)
    assert main(["run", "-c", str(path)]) == 0
    assert planned[0].loaded.rules.log.format == "json"
