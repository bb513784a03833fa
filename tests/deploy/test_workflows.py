"""The workflows say what GitHub understands, and run what there is; what a user copies runs as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.cli.parser import parser
from tests.doubles.published import complaints

ROOT = Path(__file__).resolve().parents[2]
CI = ROOT / ".github" / "workflows" / "ci.yml"
DEPENDABOT = ROOT / ".github" / "dependabot.yml"
FOR_USERS = ROOT / "deploy" / "ci" / "sidecar-rules.yml"
WORKFLOWS = [CI, FOR_USERS]


def read(path: Path) -> dict[str, Any]:
    told = yaml.safe_load(path.read_text())
    assert isinstance(told, dict)
    return told


def jobs(path: Path) -> dict[str, Any]:
    found = read(path)["jobs"]
    assert isinstance(found, dict)
    return found


def scripts(path: Path) -> str:
    return "\n".join(step["run"] for job in jobs(path).values() for step in job["steps"] if "run" in step)


@pytest.mark.parametrize(
    ("schema", "path"), [*(("github-workflows", path) for path in WORKFLOWS), ("dependabot", DEPENDABOT)]
)
def test_each_file_is_as_its_schema_has_it(schema: str, path: Path) -> None:
    assert complaints(schema, path) == []


def test_every_verb_and_file_that_it_runs_is_there() -> None:
    told, makefile = scripts(CI), (ROOT / "Makefile").read_text()
    verbs = re.findall(r"^ *make ([a-z-]+)", told, flags=re.MULTILINE)
    assert {"check", "test", "image", "binary"} <= set(verbs)
    for verb in verbs:
        assert re.search(rf"^{verb}:", makefile, flags=re.MULTILINE), verb
    files = re.findall(r"(?<![\w/])\.ci/\w+", told)
    assert ".ci/run" in files
    assert [name for name in files if not os.access(ROOT / name, os.X_OK)] == []


def test_jobs_wait_for_jobs_that_are_there_and_fetch_what_was_stored() -> None:
    stored = set()
    for job in jobs(CI).values():
        needs = job.get("needs", [])
        assert {needs} if isinstance(needs, str) else set(needs) <= set(jobs(CI))
        stored |= {step["with"]["name"] for step in job["steps"] if "upload-artifact" in step.get("uses", "")}
    fetched = [
        step for job in jobs(CI).values() for step in job["steps"] if "download-artifact" in step.get("uses", "")
    ]
    assert {step["with"]["name"] for step in fetched if "name" in step["with"]} <= stored
    assert set(jobs(CI)["release"]["needs"]) == set(jobs(CI)) - {"release"}, "a release is made of what all have passed"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_job_ends_by_itself(path: Path) -> None:
    assert [name for name, job in jobs(path).items() if not 0 < job.get("timeout-minutes", 0) <= 90] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_nothing_may_do_more_than_it_must_nor_moves_by_itself(path: Path) -> None:
    assert read(path)["permissions"] == {"contents": "read"}
    assert [name for name, job in jobs(path).items() if "permissions" in job] in ([], ["release"])
    used = [step["uses"] for job in jobs(path).values() for step in job["steps"] if "uses" in step]
    assert [name for name in used if not re.fullmatch(r"(actions|docker)/[\w-]+@v\d+", name)] == []


def test_no_run_of_main_or_of_a_tag_is_dropped_for_a_newer_one() -> None:
    # GitHub keeps one run of a group waiting and drops it for the next, whatever cancel-in-progress says.
    group = read(CI)["concurrency"]["group"]
    assert group == "ci-${{ github.event_name == 'pull_request' && github.ref || github.run_id }}"


def test_layers_are_stored_by_a_builder_that_can() -> None:
    # The builder of the Docker engine, which `docker build` takes by default, cannot export a cache.
    steps = jobs(CI)["image"]["steps"]
    (build,) = [each for each in steps if "--cache-to" in each.get("run", "")]
    (set_up,) = [each for each in steps if each.get("uses", "").startswith("docker/setup-buildx-action@")]
    assert build["env"]["BUILDX_BUILDER"] == f"${{{{ steps.{set_up['id']}.outputs.name }}}}"


def test_each_variable_of_a_users_rules_reaches_the_check() -> None:
    environment = set(jobs(FOR_USERS)["rules"]["env"]) - {"SIDECAR_IMAGE"}
    assert environment == set(re.findall(r"--env (\w+)", step("Have")))


def test_what_a_user_could_write_is_never_part_of_a_script() -> None:
    # A branch may be called `$(…)`: a name goes through the environment.
    assert re.findall(r"\$\{\{.*?\}\}", scripts(CI) + scripts(FOR_USERS)) == []


def test_the_versions_tested_are_those_that_are_promised() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    promised = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    assert jobs(CI)["test"]["strategy"]["matrix"]["python"] == promised
    assert project["requires-python"] == f">={promised[0]}"


def step(name: str) -> str:
    (found,) = [step["run"] for step in jobs(FOR_USERS)["rules"]["steps"] if step.get("name", "").startswith(name)]
    return str(found)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A user's, with `sidecar` on the path in `bin`, and a venv whose pip does nothing."""
    (tmp_path / "deploy").mkdir()
    (tmp_path / "bin").mkdir()
    (tmp_path / "temp" / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "deploy" / "sidecar.yaml").write_text(
        "version: 1\nupstreams: {app: {endpoints: ['${BACKEND}']}}\n"
        "routes: [{name: orders, match: {path: /orders}, upstream: app}]\n"
    )
    for name, does in {
        "bin/sidecar": f'exec "{sys.executable}" -m sidecar "$@"',
        "temp/venv/bin/kubernetes-validate": f'exec "{Path(sys.executable).parent}/kubernetes-validate" "$@"',
        "temp/venv/bin/pip": "exit 0",
        "bin/python3": '[ "$*" = "-m venv $RUNNER_TEMP/venv" ]',  # Debian's own interpreter takes no packages
    }.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{does}\n")
        program.chmod(0o755)
    return tmp_path


def run(script: str, repository: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PATH": f"{repository / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "BACKEND": jobs(FOR_USERS)["rules"]["env"]["BACKEND"],
        "RUNNER_TEMP": str(repository / "temp"),
    }
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]  # as GitHub starts `shell: bash`
    return subprocess.run(
        command, cwd=repository, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_rules_that_cannot_be_used_end_a_users_workflow(repository: Path) -> None:
    assert run(step("Check"), repository).returncode == 0
    with (repository / "deploy" / "sidecar.yaml").open("a") as file:
        file.write("nonsense: 1\n")
    done = run(step("Check"), repository)
    assert (done.returncode, "deploy/sidecar.yaml:4:1: error" in done.stdout) == (1, True)


def test_a_request_that_goes_elsewhere_ends_a_users_workflow(repository: Path) -> None:
    routes = repository / "deploy" / "sidecar.routes"
    routes.write_text("# what matters\n\nGET /orders/7 orders\nGET /nowhere -\n")
    done = run(step("Hold"), repository)
    assert (done.returncode, done.stdout) == (0, "")
    routes.write_text("GET /orders/7 customers\nGET /nowhere orders\n")
    done = run(step("Hold"), repository)
    assert (done.returncode, done.stdout) == (
        1,
        "deploy/sidecar.routes: GET /orders/7 goes to orders, not to customers\n"
        "deploy/sidecar.routes: GET /nowhere goes to -, not to orders\n",
    )


def test_a_request_that_cannot_be_explained_is_not_one_without_a_route(repository: Path) -> None:
    (repository / "deploy" / "sidecar.routes").write_text("GET /nowhere -\n")
    with (repository / "deploy" / "sidecar.yaml").open("a") as file:
        file.write("nonsense: 1\n")
    assert run(step("Hold"), repository).returncode == 1


def test_a_users_manifest_is_valid_with_the_sidecar_in_it(repository: Path) -> None:
    (repository / "deploy" / "deployment.yaml").write_text(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop}\n"
        "spec: {selector: {matchLabels: {app: shop}}, template: {metadata: {labels: {app: shop}}, spec: {containers: "
        "[{name: shop, image: 'shop:1', ports: [{name: http, containerPort: 3000}]}]}}}\n"
    )
    done = run(step("Add"), repository)
    assert done.returncode == 0, done.stdout + done.stderr
    made = list(yaml.safe_load_all((repository / "temp" / "deployment.yaml").read_text()))
    assert [each["spec"]["template"]["spec"]["initContainers"][0]["name"] for each in made if "spec" in each] == [
        "sidecar"
    ]


def test_the_sidecar_of_a_users_workflow_is_a_script_that_can_be_run(repository: Path) -> None:
    (repository / "path").touch()
    script = f"export GITHUB_PATH={repository / 'path'}; {step('Have')}"
    assert run(script, repository).returncode == 0
    (made,) = (repository / "temp" / "bin").iterdir()
    assert os.access(made, os.X_OK)
    assert made.read_text().startswith("#!/bin/sh\nexec docker run --rm ")
    assert (repository / "path").read_text() == f"{made.parent}\n"


def test_what_smoke_tests_are_asked_for_is_told() -> None:
    done = subprocess.run([ROOT / ".ci" / "smoke"], capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(".ci/smoke image NAME ")


def test_smoke_tests_type_commands_that_there_are() -> None:
    told = (ROOT / ".ci" / "smoke").read_text()
    words = [line.split() for line in re.findall(r"(?:sidecar|\"\$2\") ((?:demo|run|probe|status)\b[^\n>;)]*)", told)]
    assert sorted({each[0] for each in words}) == ["demo", "probe", "run", "status"]
    for each in words:
        parser().parse_args([word.strip('"') for word in each if not word.startswith("2")])
