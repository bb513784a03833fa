"""Whom the system trusts, found also by a program that was built on another one."""

from __future__ import annotations

import ssl
import sys
import time
from pathlib import Path

import pytest

from sidecar.tls import system
from sidecar.tls.contexts import client_context
from sidecar.tls.system import trusts_nobody
from tests.doubles.certificates import root


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """As in the executable, on a system that keeps no authorities anywhere."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(system, "PLACES", ())
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    return monkeypatch


def trusted(context: ssl.SSLContext) -> int:
    """How many authorities."""
    return context.cert_store_stats()["x509_ca"]


def test_openssl_knows_where_they_are_when_it_is_the_systems_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "PLACES", ())
    assert not trusts_nobody()


def test_a_frozen_program_finds_them_where_systems_keep_them(frozen: pytest.MonkeyPatch, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    frozen.setattr(system, "PLACES", (str(tmp_path / "missing"), str(empty), root().write(tmp_path)))
    assert not trusts_nobody()
    assert trusted(client_context(now=time.time()).context) == 1


def test_where_there_are_none_nobody_is_trusted(frozen: pytest.MonkeyPatch) -> None:
    assert trusts_nobody()
    assert trusted(client_context(now=time.time()).context) == 0


def test_the_variables_come_first(frozen: pytest.MonkeyPatch, tmp_path: Path) -> None:
    frozen.setenv("SSL_CERT_FILE", root().write(tmp_path))
    assert not trusts_nobody()
    assert trusted(client_context(now=time.time()).context) == 1
