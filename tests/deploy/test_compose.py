"""deploy/compose: its commands and rules are accepted, and what it mounts and publishes is meant."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.cli.parser import parser
from sidecar.policies.units import parse_duration, parse_size
from sidecar.rules.load import Loaded, load_rules
from tests.deploy.test_observability import promtool
from tests.doubles.published import complaints

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "deploy" / "compose"
COMPOSE = HERE / "compose.yaml"
OVERRIDE = HERE / "compose.override.example.yaml"
RULES = HERE / "rules" / "sidecar.yaml"
# Where clients come in; everything else is the operator's, and stays on this machine.
TRAFFIC = ("sidecar", "8080")


def services(path: Path = COMPOSE) -> dict[str, Any]:
    """Of a compose file, its variables at their defaults."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", path.read_text())
    found: dict[str, Any] = yaml.safe_load(text)["services"]
    return found


def accepted(command: list[str]) -> Any:
    """What the command line makes of it; a command it does not know fails the test."""
    try:
        return parser().parse_args(command)
    except SystemExit:
        pytest.fail(f"the command line refuses {command}")


def rules(**environ: str) -> Loaded:
    return load_rules(str(RULES), environ=environ)


@pytest.mark.parametrize("path", [COMPOSE, OVERRIDE], ids=lambda path: path.name)
def test_it_is_what_the_compose_specification_allows(path: Path) -> None:
    assert complaints("compose-spec", path) == []


def test_what_is_asked_for_by_a_profile_is_not_there_without_it() -> None:
    by_profile: dict[str, set[str]] = {}
    for name, service in services().items():
        by_profile.setdefault(" ".join(service.get("profiles", [])), set()).add(name)
    assert by_profile == {"": {"app", "sidecar"}, "load": {"load"}, "observability": {"prometheus", "grafana"}}


def test_the_image_is_built_from_this_repository_and_all_of_ours_run_it_without_rights() -> None:
    build = services()["sidecar"]["build"]
    assert (HERE / build["context"] / build["dockerfile"]).resolve() == ROOT / "Dockerfile"
    for name in ("app", "sidecar", "load"):
        service = services()[name]
        assert service["image"] == "sidecar:latest"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_application_is_several_that_fail_and_are_asked_for_their_health_where_they_listen() -> None:
    app = services()["app"]
    arguments = accepted(app["command"])
    assert arguments.flaky > 0
    assert app["scale"] > 1
    kind, program, *probe = app["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "sidecar")
    assert accepted(probe).admin.port == arguments.backend.port
    (endpoint,) = rules().rules.upstreams["app"].endpoints
    assert (endpoint.url.address.host, endpoint.url.address.port) == ("app", arguments.backend.port)


def test_the_sidecar_reads_rules_that_hold_without_a_warning_from_a_mounted_folder() -> None:
    sidecar = services()["sidecar"]
    source, target, mode = sidecar["volumes"][0].split(":")
    assert (HERE / source).resolve() == RULES.parent
    assert mode == "ro"
    assert accepted(sidecar["command"]).config == f"{target}/{RULES.name}"
    assert rules().warnings == ()


def test_every_rule_that_a_comment_offers_can_be_taken(tmp_path: Path) -> None:
    offered = re.sub(r"^( +)# (\w+: \S+) +#", r"\1\2  #", RULES.read_text(), flags=re.MULTILINE)
    assert offered != RULES.read_text()
    (tmp_path / "s.yaml").write_text(offered)
    loaded = load_rules(str(tmp_path / "s.yaml"), environ={"SIDECAR_ADMIN_TOKEN": "secret"})
    assert loaded.rules.admin.token == "secret"
    assert "SIDECAR_ADMIN_TOKEN" in services()["sidecar"]["environment"]


def test_only_traffic_is_published_to_more_than_this_machine() -> None:
    published = [(name, port) for name, service in services().items() for port in service.get("ports", [])]
    for name, port in published:
        host, _, inside = port.rpartition(":")
        if (name, inside) != TRAFFIC:
            assert host.startswith("127.0.0.1:"), port
    loaded = rules().rules
    inside = {int(port.rpartition(":")[2]) for name, port in published if name == "sidecar"}
    assert inside == {loaded.listeners[0].address.port, loaded.admin.address.port}
    assert len({port.rpartition(":")[0] for _, port in published}) == len(published)
    assert "ports" not in services()["app"]


def test_a_verb_needs_a_token_where_other_containers_reach_the_admin_address() -> None:
    admin = rules().rules.admin
    assert not admin.address.is_loopback  # so without a token every verb is refused
    assert admin.token is None


def test_a_lost_question_for_a_name_does_not_keep_a_new_container_away_for_long() -> None:
    (option,) = services()["sidecar"]["environment"]["RES_OPTIONS"].split()
    asked_again = float(option.removeprefix("timeout:"))
    resolve = rules().rules.upstreams["app"].resolve
    assert resolve is not None
    assert asked_again < resolve


def test_it_is_stopped_before_the_application_and_has_longer_than_its_drain() -> None:
    sidecar = services()["sidecar"]
    assert "app" in sidecar["depends_on"]
    drain = rules().rules.drain
    assert parse_duration(sidecar["stop_grace_period"]) > drain.deadline + 1
    assert drain.announce == 0


def test_requests_are_refused_before_the_kernel_kills_for_memory() -> None:
    limit = parse_size(services()["sidecar"]["mem_limit"].replace("m", "MiB"))
    overload = rules().rules.overload
    assert overload.max_memory is not None
    assert 0.8 * limit < overload.max_memory <= 0.85 * limit


def test_the_load_goes_through_the_sidecar() -> None:
    load = services()["load"]
    assert accepted(load["command"]).load == f"http://{TRAFFIC[0]}:{TRAFFIC[1]}/"
    assert load["healthcheck"] == {"disable": True}  # the image's asks for an admin address


def test_everything_that_is_mounted_is_there() -> None:
    volumes = yaml.safe_load(COMPOSE.read_text())["volumes"]
    for name, service in services().items():
        for mount in service.get("volumes", []):
            source, _, mode = mount.split(":") if mount.count(":") == 2 else (*mount.split(":"), "")
            assert source in volumes or (HERE / source).exists(), f"{name}: {source}"
            assert source in volumes or mode == "ro"


def test_prometheus_loads_what_is_mounted_and_scrapes_the_sidecar(tmp_path: Path) -> None:
    config = tmp_path / "prometheus.yaml"
    for mount in services()["prometheus"]["volumes"]:
        source, target = mount.split(":")[:2]
        if source.startswith("."):
            (tmp_path / Path(target).relative_to("/etc/prometheus")).symlink_to((HERE / source).resolve())
    promtool("check", "config", config)
    loaded = yaml.safe_load(config.read_text())
    assert len(list(tmp_path.glob(loaded["rule_files"][0]))) == 1
    (scrape,) = loaded["scrape_configs"]
    (static,) = scrape["static_configs"]
    assert static["targets"] == [f"sidecar:{rules().rules.admin.address.port}"]
    assert (scrape["job_name"], set(static["labels"])) == ("sidecar", {"app"})
    assert "--config.file=/etc/prometheus/prometheus.yaml" in services()["prometheus"]["command"]


def test_grafana_asks_that_prometheus_and_finds_the_dashboard() -> None:
    grafana = services()["grafana"]
    mounted = {target: HERE / source for source, target, _ in (one.split(":") for one in grafana["volumes"])}
    provisioning = mounted["/etc/grafana/provisioning"]
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "sidecar.yaml").read_text())["providers"]
    assert f"{provider['options']['path']}/sidecar.json" in mounted


def test_ones_own_application_takes_the_place_of_the_flaky_one() -> None:
    own = services(OVERRIDE)
    assert set(own) <= set(services())
    named = own["sidecar"]["environment"]["APP"]
    (endpoint,) = rules(APP=named).rules.upstreams["app"].endpoints
    assert str(endpoint.url.address) == named
    # The image's own program, instead of the words that are `sidecar demo`'s.
    assert own["app"]["command"] != services()["app"]["command"]
    assert own["app"]["healthcheck"]["test"] != services()["app"]["healthcheck"]["test"]


def test_every_command_that_the_page_has_typed_in_a_container_is_one() -> None:
    page = (ROOT / "docs" / "compose.md").read_text()
    typed = re.findall(r"docker compose exec sidecar sidecar ([^`\n]+)", page)
    assert len(typed) > 3
    assert {accepted(words.split()).command for words in typed} == {"demo", "reload", "top"}


def test_the_page_tells_every_variable_and_its_default() -> None:
    page = (ROOT / "docs" / "compose.md").read_text()
    for name, default in re.findall(r"\$\{(\w+):-([^}]*)\}", COMPOSE.read_text()):
        (row,) = re.findall(rf"^\|[^|]*`{name}`[^|]*\|([^|]*)\|", page, flags=re.MULTILINE)
        assert f"`{default}`" in row or (not default and "none" in row), name
