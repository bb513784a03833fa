"""Credentials towards upstreams: found wrong at their keys, and made into contexts that live on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.app import upstream_credentials
from sidecar.app.surroundings import examined
from sidecar.app.upstream_credentials import secured_upstreams
from sidecar.rules.load import Loaded, load_text
from sidecar.rules.overlay import Given
from sidecar.rules.problems import ConfigError
from tests.doubles.certificates import EXPIRED_DAYS, FUTURE_DAYS, client_certificate, root, stranger


def text(tls: str, endpoint: str = "https://127.0.0.1:1", more: str = "") -> str:
    """Rules of one upstream; the column of what is in `tls` counts from 1 at its line's begin."""
    return f"""upstreams:
  app:
    endpoints: '{endpoint}'
    tls:
      {tls}
{more}routes: [{{name: all, upstream: app}}]
"""


def loaded(tls: str, endpoint: str = "https://127.0.0.1:1", more: str = "") -> Loaded:
    return load_text(text(tls, endpoint, more), "f", Given(examine=examined))


def pair(folder: Path, days: tuple[float, float] | None = None) -> str:
    certificate = client_certificate() if days is None else client_certificate(days=days)
    files = certificate.write(folder, "client")
    return f"certificate: '{files.certificate}'\n      private_key: '{files.private_key}'"


def missing(folder: Path) -> str:
    return f"ca: '{folder}/none.pem'"


def empty(folder: Path) -> str:
    (folder / "ca.pem").write_text("nothing\n")
    return f"ca: '{folder}/ca.pem'"


def foreign_key(folder: Path) -> str:
    other = client_certificate("other").private_key
    files = client_certificate().write(folder, "client", private_key=other)
    return f"certificate: '{files.certificate}'\n      private_key: '{files.private_key}'"


def encrypted(folder: Path) -> str:
    certificate = client_certificate()
    files = certificate.write(folder, "client", private_key=certificate.encrypted_key)
    return f"certificate: '{files.certificate}'\n      private_key: '{files.private_key}'"


@pytest.mark.parametrize(
    ("tls", "place", "sentence"),
    [
        (missing, "f:5:11", "cannot be read: No such file or directory"),
        (empty, "f:5:11", "no certificate in PEM form"),
        (foreign_key, "f:6:20", "does not belong to the certificate"),
        (encrypted, "f:6:20", "is encrypted"),
        (lambda folder: pair(folder, EXPIRED_DAYS), "f:5:20", "has expired"),
        (lambda folder: pair(folder, FUTURE_DAYS), "f:5:20", "not valid before"),
    ],
    ids=["missing", "empty", "foreign key", "encrypted", "expired", "not yet valid"],
)
def test_a_file_that_will_not_do_is_an_error_at_its_key(
    tls: Callable[[Path], str], place: str, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tls(tmp_path))
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"{place}: error: ")
    assert sentence in problem.message


def test_a_certificate_that_ends_soon_is_warned_about(tmp_path: Path) -> None:
    (warning,) = loaded(pair(tmp_path, (-1.0, 3.5))).warnings
    assert str(warning).startswith("f:5:20: warning: the certificate of client ends in 3 days")


def test_files_that_are_good_are_kept_with_the_rules_and_told_in_their_digest(tmp_path: Path) -> None:
    tls = f"ca: '{root().write(tmp_path)}'"
    first = loaded(tls)
    assert list(first.credentials.values()) == [root().pem]
    stranger().write(tmp_path)
    assert loaded(tls).digest != first.digest


def test_what_is_the_same_is_one_context_that_lives_on(tmp_path: Path) -> None:
    ca = root().write(tmp_path)
    more = f"  two: {{endpoints: 'https://127.0.0.1:2', tls: {{ca: '{ca}', server_name: two.test}}}}\n"
    rules = loaded(f"ca: '{ca}'", more=more)
    first = secured_upstreams(rules, {})
    assert first["app"].credentials.context is first["two"].credentials.context
    assert (first["app"].server_name, first["two"].server_name) == (None, "two.test")
    assert secured_upstreams(rules, first) == first
    stranger().write(tmp_path)
    after = secured_upstreams(loaded(f"ca: '{ca}'", more=more), first)
    assert after["app"].credentials.context is not first["app"].credentials.context


def test_what_was_read_with_the_rules_is_used_whatever_becomes_of_the_files(tmp_path: Path) -> None:
    rules = loaded(pair(tmp_path))
    for file in tmp_path.iterdir():
        file.write_text("gone\n")
    facts = secured_upstreams(rules, {})["app"].credentials.certificates
    assert [one.names for one in facts] == [("client",)]
    assert facts[0].not_after > time.time()


def test_endpoints_that_speak_no_tls_are_given_none(tmp_path: Path) -> None:
    assert secured_upstreams(loaded("verify: true", "http://127.0.0.1:1"), {}) == {}


def test_an_https_endpoint_alone_asks_for_tls_with_what_the_system_trusts() -> None:
    plain = load_text(
        "upstreams: {app: {endpoints: 'https://a:1'}}\nroutes: [{name: all, upstream: app}]\n", "f", Given()
    )
    assert secured_upstreams(plain, {})["app"].credentials.context.check_hostname


def test_rules_that_need_the_systems_authorities_do_not_run_where_it_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_credentials, "trusts_nobody", lambda: True)
    rules = loaded("min_version: '1.2'")
    (problem,) = rules.warnings
    assert str(problem).startswith("f:3:16: warning: these are verified by the certificate authorities of the system")
    with pytest.raises(ConfigError):
        rules.to_run()
    for tls, endpoint in (("verify: false", "https://127.0.0.1:1"), ("verify: true", "http://127.0.0.1:1")):
        assert not any(problem.refused for problem in loaded(tls, endpoint).to_run().warnings)
