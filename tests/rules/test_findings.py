"""What is found about rules outside of them is told at the key that it is about."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from sidecar.rules.findings import Finding, Read, nothing
from sidecar.rules.load import load_rules, load_text
from sidecar.rules.overlay import Given
from sidecar.rules.problems import ConfigError
from sidecar.rules.schema import RuleSet
from sidecar.rules.source import fingerprint

TEXT = """\
version: 1
listeners:
  - address: :8443
    tls:
      certificate: {certificate}
      private_key: /nowhere/key.pem
upstreams: {{app: {{endpoints: [http://127.0.0.1:3000]}}}}
routes: [{{name: all, upstream: app}}]
"""
PLAIN = TEXT.format(certificate="/nowhere/cert.pem")


def found(*findings: Finding) -> Given:
    return Given(examine=lambda rules, read: findings)


def test_each_finding_stands_at_its_key_and_an_error_forbids_the_rules() -> None:
    warning = Finding("listeners.public.tls.certificate", "ends soon", "warning")
    loaded = load_text(PLAIN, "f.yaml", found(warning))
    assert [str(one) for one in loaded.warnings] == ["f.yaml:5:20: warning: ends soon"]
    with pytest.raises(ConfigError) as caught:
        load_text(PLAIN, "f.yaml", found(warning, Finding("listeners.public.tls.client_ca", "is not there")))
    assert [str(one) for one in caught.value.problems] == [
        "f.yaml:5:7: error: is not there",
        "f.yaml:5:20: warning: ends soon",
    ]


def test_what_is_refused_is_valid_and_does_not_run() -> None:
    loaded = load_text(PLAIN, "f.yaml", found(Finding("listeners.public.tls", "is missing here", "refused")))
    with pytest.raises(ConfigError, match="is missing here"):
        loaded.to_run()


def test_nobody_looks_around_for_rules_that_are_wrong_in_themselves() -> None:
    def examine(_rules: RuleSet, _read: Read) -> Iterable[Finding]:
        raise AssertionError("they are wrong")

    with pytest.raises(ConfigError, match="not one of 1"):
        load_text("version: 2\n" + PLAIN.partition("\n")[2], "f.yaml", Given(examine=examine))


def test_without_anybody_who_looks_no_file_is_opened(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text(TEXT.format(certificate="/nowhere/cert.pem"))
    loaded = load_rules(str(file), examine=nothing)
    assert list(loaded.sources) == [str(file)]
    assert loaded.credentials == {}


def test_what_was_read_on_the_way_is_a_source_and_counts_in_the_digest(tmp_path: Path) -> None:
    file, certificate = tmp_path / "f.yaml", tmp_path / "cert.pem"
    file.write_text(TEXT.format(certificate=certificate))

    def examine(rules: RuleSet, read: Read) -> Iterable[Finding]:
        tls = rules.listeners[0].tls
        assert tls is not None
        for path in (tls.certificate, tls.certificate, tls.private_key):
            try:
                read(path)
            except ValueError as error:
                yield Finding("listeners.public.tls", f"{path} {error}", "warning")

    digests = []
    for content in ("one", "two", "two"):
        certificate.write_text(content)
        loaded = load_rules(str(file), examine=examine)
        digests.append(loaded.digest)
        assert loaded.credentials == {str(certificate): content.encode()}
        assert loaded.sources[str(certificate)] == fingerprint(str(certificate))
        assert loaded.sources["/nowhere/key.pem"] == ""
        assert [one.message for one in loaded.warnings] == [
            "/nowhere/key.pem cannot be read: No such file or directory"
        ]
    assert digests[0] != digests[1] == digests[2]
    assert "two" not in repr(loaded)
