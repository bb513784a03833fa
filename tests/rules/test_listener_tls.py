"""What a rule may say of TLS on a listener."""

from __future__ import annotations

import pytest

from sidecar.rules.listener_tls import ListenerTls
from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given
from sidecar.rules.problems import ConfigError

TEXT = """\
version: 1
listeners:
  - address: :8443
    tls: {certificate: /a, private_key: /b, MORE}
upstreams: {app: {endpoints: [http://127.0.0.1:3000]}}
routes: [{name: all, upstream: app}]
"""


def tls(more: str) -> ListenerTls:
    found = load_text(TEXT.replace("MORE", more), "f.yaml", Given()).rules.listeners[0].tls
    assert found is not None
    return found


def complaint(more: str) -> str:
    with pytest.raises(ConfigError) as caught:
        tls(more)
    (problem,) = caught.value.problems
    return str(problem)


def test_two_files_are_enough() -> None:
    found = tls("")
    assert (found.certificate, found.private_key, found.certificates, found.client_ca) == ("/a", "/b", (), None)
    assert (found.min_version, found.handshake_timeout, found.max_handshakes, found.strict_sni) == (
        "1.2",
        10.0,
        2048,
        False,
    )


def test_what_is_about_clients_goes_with_their_authority() -> None:
    assert tls("client_ca: /ca, client_certificate: optional, forward_client_certificate: true").client_ca == "/ca"
    assert complaint("client_certificate: optional") == (
        "f.yaml:4:65: error: `client_certificate` goes with `client_ca`, and there is none"
    )
    assert "what nobody has checked is not passed on" in complaint("forward_client_certificate: true")


def test_a_file_without_a_name_is_told_at_its_key() -> None:
    assert complaint("client_ca: ''") == "f.yaml:4:56: error: this is empty, and names no file"
    assert "this is empty, and names no file" in complaint("certificates: [{certificate: /c, private_key: ''}]")


def test_an_old_version_is_no_slip_of_a_newer_one() -> None:
    assert complaint('min_version: "1.1"').endswith("`1.1` is not one of 1.2, 1.3")


def test_a_limit_of_nothing_is_refused() -> None:
    assert "`handshake_timeout` must be more than 0" in complaint("handshake_timeout: 0s")
    assert "`max_handshakes` must be at least 1" in complaint("max_handshakes: 0")


def test_a_protocol_that_is_not_spoken_may_not_be_offered() -> None:
    assert tls("alpn: [http/1.1, http/1.0]").alpn == ("http/1.1", "http/1.0")
    assert complaint("alpn: [http/1.1, h2]") == (
        "f.yaml:4:51: error: `h2` is not spoken here, and may not be offered; write http/1.1"
    )
    assert "names are of 1 to 255 bytes" in complaint("alpn: ['']")


def test_a_certificate_without_its_key_is_incomplete() -> None:
    assert "`private_key` is missing" in complaint("certificates: [{certificate: /c}]")
