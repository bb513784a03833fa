"""Rules that need packages which are not installed: told at their place, and refused to run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sidecar.app import extras
from sidecar.app.extras import lacking
from sidecar.app.surroundings import examined
from sidecar.cli.main import main
from sidecar.cli.run import usable
from sidecar.rules.load import load_rules
from sidecar.rules.problems import ConfigError

PLAIN = "version: 1\nupstreams: {app: {endpoints: [http://127.0.0.1:3000]}}\nroutes: [{name: all, upstream: app}]\n"
EXPORTING = f"{PLAIN}tracing:\n  export: {{endpoint: 'http://127.0.0.1:4318'}}\n"
SENTENCE = "`tracing.export` needs packages that are not installed: pip install opentelemetry-exporter-otlp-proto-http"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "s.yaml"
    path.write_text(EXPORTING)
    return path


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without the extra."""
    monkeypatch.setattr(extras, "_OTEL", ("opentelemetry.no_such_package.sdk",))


@pytest.mark.usefixtures("bare")
def test_run_refuses_and_says_what_to_install_and_where_it_was_asked_for(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "-c", str(file)]) == 1
    problem, end = capsys.readouterr().err.splitlines()
    assert problem == f"{file}:5:11: error: {SENTENCE}"
    assert end == "sidecar: the rules cannot be used: 1 error"


@pytest.mark.usefixtures("bare")
def test_check_warns(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}:5:11: warning: {SENTENCE}; `sidecar run` refuses\n"


@pytest.mark.usefixtures("bare")
def test_what_a_reload_reads_is_refused_as_bad_rules_are(file: Path) -> None:
    with pytest.raises(ConfigError, match="otlp-proto-http"):
        load_rules(str(file), examine=examined).to_run()


@pytest.mark.usefixtures("bare")
def test_rules_that_export_nothing_need_nothing(file: Path) -> None:
    file.write_text(PLAIN)
    assert usable(lambda: load_rules(str(file), examine=examined).to_run()).warnings == ()


def test_with_the_packages_there_is_nothing_to_say(file: Path) -> None:
    pytest.importorskip("opentelemetry.sdk")
    assert lacking(load_rules(str(file)).rules) == {}


def test_looking_imports_none_of_them(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "_OTEL", ("tests.doubles.collector",))
    monkeypatch.delitem(sys.modules, "tests.doubles.collector", raising=False)
    assert lacking(load_rules(str(file)).rules) == {}
    assert "tests.doubles.collector" not in sys.modules
