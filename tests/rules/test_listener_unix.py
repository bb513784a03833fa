"""A listener's unix socket and the PROXY header in front of a listener, as rules."""

from __future__ import annotations

import re

import pytest

from sidecar.rules.listener_unix import GROUP, MODE, OWNER
from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given
from sidecar.rules.problems import ConfigError
from sidecar.rules.schema import ListenerRule

REST = "upstreams: {app: {endpoints: unix:/run/app.sock}}\nroutes: [{name: all, upstream: app}]\n"


def listener(written: str) -> ListenerRule:
    return load_text(f"listeners: [{{{written}}}]\n{REST}", "f.yaml", Given()).rules.listeners[0]


def fault(written: str) -> str:
    with pytest.raises(ConfigError) as caught:
        listener(written)
    return str(caught.value)


def test_a_socket_s_file_has_a_mode_an_owner_and_a_group() -> None:
    rule = listener("address: 'unix:/s', unix: {mode: 0660, owner: root, group: 0}").unix
    assert rule is not None
    assert (rule.mode, rule.owner, rule.group) == (0o660, "root", "0")
    assert MODE.show(rule.mode) == "0660"
    assert OWNER.parse("12345") == "12345"
    assert GROUP.parse("12345") == "12345"


@pytest.mark.parametrize("written", ["'0660'", "660", "0660"])
def test_a_mode_is_octal_however_it_is_quoted(written: str) -> None:
    rule = listener(f"address: 'unix:/s', unix: {{mode: {written}}}").unix
    assert rule is not None
    assert rule.mode == 0o660


@pytest.mark.parametrize(
    ("written", "place", "sentence"),
    [
        ("mode: 0888", "2:45", "`0888` is not the mode of a file; write it as 0660"),
        ("mode: rw-rw----", "2:45", "`rw-rw----` is not the mode of a file"),
        ("mode: 7", "2:45", "`7` is not the mode of a file"),
        ("owner: no-such-user", "2:46", "there is no user `no-such-user` on this machine"),
        ("group: no-such-group", "2:46", "there is no group `no-such-group` on this machine"),
        ("owner: 4294967295", "2:46", "there is no user `4294967295` on this machine"),
        ("group: 99999999999999", "2:46", "there is no group `99999999999999` on this machine"),
        ("members: all", "2:39", "unknown key `members`"),
    ],
)
def test_a_wrong_file_is_told_where_it_stands(written: str, place: str, sentence: str) -> None:
    assert f"f.yaml:{place}: error: {sentence}" in fault(f"\n  address: 'unix:/run/s.sock', unix: {{{written}}}")


def test_the_file_of_a_socket_goes_with_a_socket() -> None:
    assert "`unix` goes with an address as unix:/run/sidecar.sock" in fault("address: ':1', unix: {mode: 0660}")


@pytest.mark.parametrize(
    ("written", "whom"),
    [
        ("address: ':1', proxy_protocol: true", "[10.0.0.0/8]"),
        ("address: ':1', proxy_protocol: true, trusted_proxies: [unix]", "[10.0.0.0/8]"),
        ("address: 'unix:/s', proxy_protocol: true, trusted_proxies: [10.0.0.0/8]", "[unix]"),
    ],
)
def test_a_header_that_nobody_would_be_believed_is_refused(written: str, whom: str) -> None:
    said = fault(written)
    column = f"f.yaml:1:{len('listeners: [{') + written.index('true') + 1}"
    assert re.match(re.escape(f"{column}: error: `proxy_protocol` needs `trusted_proxies`, as in {whom}"), said)


def test_whoever_may_be_believed_is_a_network_or_a_unix_socket_s_peer() -> None:
    rule = listener("address: ':1', proxy_protocol: true, trusted_proxies: [10.0.0.0/8, unix]")
    assert [str(one) for one in rule.trusted_proxies] == ["10.0.0.0/8", "unix"]
    assert listener("address: 'unix:/s', proxy_protocol: true, trusted_proxies: unix").proxy_protocol


def test_an_upstream_is_told_of_its_clients_in_one_of_two_versions() -> None:
    rules = load_text(REST.replace("app.sock}", "app.sock, proxy_protocol: v2}"), "f.yaml", Given()).rules
    assert rules.upstreams["app"].proxy_protocol == "v2"
    assert str(rules.upstreams["app"].endpoints[0].url) == "http://unix:/run/app.sock"
    with pytest.raises(ConfigError, match="`v3` is not one of v1, v2"):
        load_text(REST.replace("app.sock}", "app.sock, proxy_protocol: v3}"), "f.yaml", Given())


@pytest.mark.parametrize(
    ("address", "trusted", "said"),
    [
        ("':1'", "[unix, 10.0.0.0/8]", "`unix` does nothing: nobody comes to :1 by a unix socket"),
        ("unix:/a", "[10.0.0.0/8]", "nobody is believed: clients of a unix socket have no address; write [unix]"),
        ("unix:/a", "[unix, 10.0.0.0/8]", ""),
        ("unix:/a", "[]", ""),
        ("':1'", "[10.0.0.0/8]", ""),
    ],
)
def test_trust_in_peers_that_cannot_be_is_warned_about(address: str, trusted: str, said: str) -> None:
    listener = f"listeners: [{{address: {address}, trusted_proxies: {trusted}}}]\n"
    text = listener + "upstreams: {app: {endpoints: 'http://a:1'}}\nroutes: [{name: all, upstream: app}]\n"
    warned = [str(one) for one in load_text(text, "f", Given()).warnings]
    assert warned == ([f"f:1:{listener.index(trusted) + 1}: warning: {said}"] if said else [])
