"""Contexts live on while nothing that they are made from changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.app.listener_credentials import SecuredListener, secured_listeners
from sidecar.app.surroundings import examined
from sidecar.rules.load import Loaded, load_text
from sidecar.rules.overlay import Given
from sidecar.telemetry.stats import Stats
from tests.doubles.certificates import Files, renewed, server_certificate
from tests.doubles.running import rules_text

STATS = Stats()


def rules(files: Files, more: str = "", plain: bool = False) -> Loaded:
    tls = f"tls: {{certificate: {files.certificate}, private_key: {files.private_key}, {more}}}"
    given = Given() if plain else Given(examine=examined)
    return load_text(rules_text("http://127.0.0.1:1", listener=tls), "f.yaml", given)


def made(loaded: Loaded, before: dict[str, SecuredListener] | None = None) -> dict[str, SecuredListener]:
    return secured_listeners(loaded, before or {}, STATS.listener)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return server_certificate("app.test").write(tmp_path)


def test_what_stays_the_same_is_the_very_same(files: Files) -> None:
    first = made(rules(files))
    assert made(rules(files), first)["public"] is first["public"]
    assert first["public"].terms.observer is STATS.listener("public")


def test_another_certificate_makes_another_context(files: Files, tmp_path: Path) -> None:
    first = made(rules(files))
    certificate = renewed("app.test")
    certificate.write(tmp_path)
    second = made(rules(files), first)["public"]
    assert second.terms.context is not first["public"].terms.context
    assert second.credentials.certificates[0].fingerprint == certificate.fingerprint


def test_the_same_certificate_in_another_file_makes_none(files: Files, tmp_path: Path) -> None:
    first = made(rules(files))
    moved = server_certificate("app.test").write(tmp_path, "moved")
    assert made(rules(moved), first)["public"].terms.context is first["public"].terms.context


def test_other_limits_hold_for_the_same_context(files: Files) -> None:
    first = made(rules(files))["public"]
    second = made(rules(files, "handshake_timeout: 3s, max_handshakes: 7"), {"public": first})["public"]
    assert second.terms.context is first.terms.context
    assert (second.terms.handshake_timeout, second.terms.max_handshakes) == (3.0, 7)


def test_another_word_about_versions_makes_another_context(files: Files) -> None:
    first = made(rules(files))
    assert made(rules(files, "min_version: '1.3'"), first)["public"].terms.context is not first["public"].terms.context


def test_without_tls_there_is_nothing(files: Files) -> None:
    plain = load_text(rules_text("http://127.0.0.1:1"), "f.yaml", Given())
    assert made(plain, made(rules(files))) == {}


def test_files_that_are_broken_by_now_are_told_with_their_key(files: Files) -> None:
    Path(files.private_key).write_text("half a ke")
    with pytest.raises(OSError, match=r"listener public: tls\.private_key: there is no private key"):
        made(rules(files, plain=True))
