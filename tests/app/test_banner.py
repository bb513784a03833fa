"""What is said at the start."""

import pytest

from sidecar import __version__
from sidecar.app.banner import Scene, acting, banner, build, commands, compiled_line, is_compiled, reachable, scheme_of
from sidecar.model.address import Address
from sidecar.rules.listener_tls import ListenerTls
from sidecar.rules.problems import Problem
from sidecar.rules.schema import ListenerRule
from tests.doubles.running import loaded, rules_text

ADMIN = Address("127.0.0.1", 9901)
FRONTS = [("app", ["http://127.0.0.1:3000"])]
SCENE = Scene([Address("", 8080)], ADMIN, FRONTS)


def test_it_says_where_it_listens_what_it_fronts_and_where_admin_is() -> None:
    text = banner(SCENE)
    assert "listens on http://127.0.0.1:8080\n" in text
    assert "fronts app: http://127.0.0.1:3000\n" in text
    assert "  dashboard and admin on http://127.0.0.1:9901\n" in text
    assert text.endswith("\n")


@pytest.mark.parametrize(
    "scene",
    [
        SCENE,
        Scene([Address("", 8080)], ADMIN, FRONTS, demo=True),
        Scene([Address(path="/run/s.sock")], ADMIN, FRONTS),
    ],
)
def test_it_names_three_commands_to_try(scene: Scene) -> None:
    assert len(commands(scene)) == 3
    assert all(command.startswith("curl ") for command in commands(scene))
    assert all(command in banner(scene) for command in commands(scene))


def test_a_listener_is_told_with_what_it_speaks() -> None:
    places = [Address("", 5432), Address("", 8443), Address("", 8080), Address(path="/run/s.sock")]
    scene = Scene(places, ADMIN, FRONTS, schemes=["tcp", "https", "http", "https"])
    text = banner(scene)
    assert "listens on tcp://127.0.0.1:5432, https://127.0.0.1:8443, http://127.0.0.1:8080, unix:/run/s.sock\n" in text
    assert commands(scene)[0] == "curl -ik https://127.0.0.1:8443/"
    assert commands(Scene(places[3:], ADMIN, FRONTS, schemes=["https"]))[0] == (
        "curl -ik --unix-socket /run/s.sock https://localhost/"
    )
    assert commands(Scene(places[:1], ADMIN, FRONTS, schemes=["tls"]))[0] == "curl http://127.0.0.1:9901/status"


def test_a_listener_that_expects_a_proxy_header_is_not_for_curl() -> None:
    places = [Address("", 8080), Address("", 8081)]
    assert commands(Scene(places, ADMIN, FRONTS, headed=places[:1]))[0] == "curl -i http://127.0.0.1:8081/"
    assert commands(Scene(places[:1], ADMIN, FRONTS, headed=places[:1]))[0] == "curl http://127.0.0.1:9901/status"


def test_what_a_listener_speaks_is_in_its_rule() -> None:
    tls = ListenerTls(certificate="/a", private_key="/b")
    rules = [
        ListenerRule(address=ADMIN),
        ListenerRule(address=ADMIN, tls=tls),
        ListenerRule(address=ADMIN, protocol="tcp"),
        ListenerRule(address=ADMIN, protocol="tcp", tls=tls),
    ]
    assert list(map(scheme_of, rules)) == ["http", "https", "tcp", "tls"]


def test_a_socket_of_the_file_system_is_no_place_for_a_browser() -> None:
    assert "  admin on unix:/run/admin.sock\n" in banner(
        Scene([Address("", 1)], Address(path="/run/admin.sock"), FRONTS)
    )


def test_it_names_the_policies_that_act_without_a_file() -> None:
    keys = acting(loaded("http://127.0.0.1:3000").rules)
    assert keys == ["timeout", "circuit_breaker", "retry", "hold"]
    text = banner(Scene([Address("", 8080)], ADMIN, FRONTS, policies=keys))
    assert "  policies: timeout, circuit_breaker, retry, hold\n" in text


def test_it_names_no_policy_that_is_off_or_only_counts() -> None:
    route = "retry: null, concurrency: {max: 1, mode: shadow}, rate_limits: [{name: a, rate: 1/s}], timeout: null"
    rules = rules_text(
        "http://127.0.0.1:1", upstream="circuit_breaker: null, hold: {timeout: 1s, mode: shadow}", route=route
    )
    assert acting(loaded(rules=rules).rules) == ["rate_limits"]
    assert "policies:" not in banner(SCENE)


def test_an_address_of_every_interface_is_told_as_one_can_type_it() -> None:
    assert reachable(Address("0.0.0.0", 80)) == "http://127.0.0.1:80"
    assert reachable(Address("::1", 80)) == "http://[::1]:80"
    assert reachable(Address(path="/run/s.sock")) == "unix:/run/s.sock"


def test_warnings_of_the_rules_are_told() -> None:
    warning = Problem("a.yaml", 3, 1, "warning", "hardly meant")
    assert "a.yaml:3:1: warning: hardly meant\n" in banner(Scene([Address("", 1)], None, FRONTS, [warning]))


def test_running_interpreted_is_told_in_one_line_and_running_compiled_is_not() -> None:
    interpreted = banner(Scene([Address("", 1)], None, FRONTS, compiled=False))
    assert interpreted.count("hot modules are not compiled") == 1
    assert "hot modules" not in banner(SCENE)


def test_a_build_is_named_by_its_version_and_how_it_runs() -> None:
    assert build() == {"version": __version__, "hot_modules": "compiled" if is_compiled() else "interpreted"}


def test_make_build_says_which_of_the_two_it_came_to() -> None:
    assert compiled_line(compiled=True) == "hot modules are compiled"
    assert ("not" in compiled_line()) is not is_compiled()
