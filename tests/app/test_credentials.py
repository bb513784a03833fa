"""What is wrong with a certificate or a key is told at its key, and what was read is what is used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.app.credentials import ANY_TIME, as_files, certificates_of, end_of, name_of
from sidecar.app.listener_credentials import listener_credentials
from sidecar.app.surroundings import examined
from sidecar.rules.load import Loaded, load_rules
from sidecar.rules.problems import ConfigError
from sidecar.tls.certificates import CertificateFacts
from tests.doubles.certificates import (
    EXPIRED_DAYS,
    FUTURE_DAYS,
    Certificate,
    Files,
    root,
    server_certificate,
)

TEXT = """\
version: 1
listeners:
  - address: :8443
    tls:
      certificate: {files.certificate}
      private_key: {files.private_key}
      {more}
upstreams: {{app: {{endpoints: [http://127.0.0.1:3000]}}}}
routes: [{{name: all, upstream: app}}]
"""
DAY = 86400.0


def rules(folder: Path, files: Files, more: str = "") -> str:
    file = folder / "rules.yaml"
    file.write_text(TEXT.format(files=files, more=more))
    return str(file)


def load(file: str) -> Loaded:
    return load_rules(file, examine=examined)


def told(file: str) -> list[str]:
    """What is wrong, without the path of the rules."""
    try:
        return [str(one).removeprefix(file) for one in load(file).warnings]
    except ConfigError as error:
        return [str(one).removeprefix(file) for one in error.problems]


@pytest.fixture
def good() -> Certificate:
    return server_certificate("app.test")


def test_good_files_are_read_and_watched_and_nothing_is_said(tmp_path: Path, good: Certificate) -> None:
    files = good.write(tmp_path)
    loaded = load(rules(tmp_path, files))
    assert loaded.warnings == ()
    assert set(loaded.credentials) == {files.certificate, files.private_key} < set(loaded.sources)
    ((owner, facts),) = certificates_of(loaded)
    assert (owner, facts.fingerprint, name_of(facts)) == ("listener.public", good.fingerprint, "app.test")


def broken(folder: Path, good: Certificate) -> Iterator[tuple[Files, str, str]]:
    """Files that will not do, where that is told, and a word of the sentence."""
    files = good.write(folder)
    missing = str(folder / "nothing")
    yield Files(missing, files.private_key), ":5:20", f"{missing} cannot be read: No such file or directory"
    yield Files(str(folder), files.private_key), ":5:20", f"{folder} cannot be read: Is a directory"
    yield Files(files.private_key, files.private_key), ":5:20", "only a private key"
    (folder / "words").write_text("hello")
    yield Files(files.certificate, str(folder / "words")), ":6:20", "no private key in PEM form"
    other = server_certificate("other.test").write(folder, "other")
    yield Files(files.certificate, other.private_key), ":6:20", "does not belong to the certificate"
    yield good.write(folder, "secret", private_key=good.encrypted_key), ":6:20", "is encrypted"
    yield server_certificate("old.test", days=EXPIRED_DAYS).write(folder, "old"), ":5:20", "has expired"
    yield server_certificate("new.test", days=FUTURE_DAYS).write(folder, "new"), ":5:20", "is not valid before"


def test_each_thing_that_can_be_wrong_is_told_at_its_key(tmp_path: Path, good: Certificate) -> None:
    for files, place, words in broken(tmp_path, good):
        (problem,) = told(rules(tmp_path, files))
        assert problem.startswith(f"{place}: error: "), problem
        assert words in problem


def test_authorities_and_further_certificates_have_their_own_places(tmp_path: Path, good: Certificate) -> None:
    files = good.write(tmp_path)
    (tmp_path / "empty").write_text("")
    (problem,) = told(rules(tmp_path, files, f"client_ca: {tmp_path / 'empty'}"))
    assert problem.startswith(":7:18: error: there is no certificate in PEM form")
    other = server_certificate("other.test").write(tmp_path, "other")
    pair = f"certificates: [{{certificate: {other.certificate}, private_key: {files.private_key}}}]"
    (problem,) = told(rules(tmp_path, files, pair))
    assert problem.startswith(
        f":7:{len('      certificates: [{certificate: , private_key: ') + len(other.certificate) + 1}"
    )
    assert "does not belong" in problem


def test_a_certificate_in_its_last_fortnight_is_a_warning(tmp_path: Path) -> None:
    files = server_certificate("short.test", days=(-1.0, 3.5)).write(tmp_path)
    (problem,) = told(rules(tmp_path, files))
    assert problem.startswith(":5:20: warning: the certificate of short.test ends in 3 days (")
    assert problem.endswith("; renew it")


def test_what_is_left_is_told_in_words() -> None:
    facts = CertificateFacts(("a.test",), "CN=a", "CN=b", "1", 0.0, 100 * DAY, "f")
    said = [end_of(facts, 100 * DAY - left).partition(" (")[0] for left in (2 * DAY, DAY, 7200.0, 3600.0, 5.0, 0.0)]
    assert said == [
        "ends in 2 days",
        "ends in 1 day",
        "ends in 2 hours",
        "ends in 1 hour",
        "ends within the hour",
        "has ended",
    ]
    assert end_of(facts, 0.0).endswith(" (1970-04-11 00:00 UTC)")
    assert name_of(facts._replace(names=())) == "CN=a"


def test_what_was_read_is_used_whatever_has_become_of_the_files(tmp_path: Path, good: Certificate) -> None:
    files = good.write(tmp_path)
    ca = root().write(tmp_path)
    loaded = load(rules(tmp_path, files, f"client_ca: {ca}"))
    for path in (files.certificate, files.private_key, ca):
        Path(path).write_text("half a fi")
    with as_files(loaded.credentials) as path_of:
        assert path_of("/another") == "/another"
        assert Path(path_of(ca)).read_bytes() == root().pem
        found = listener_credentials(loaded.rules.listeners[0], path_of, ANY_TIME)
    assert [facts.fingerprint for facts in found.certificates] == [good.fingerprint]


def test_where_there_are_no_files_in_memory_one_on_disk_does_it(
    good: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("os.memfd_create")
    with as_files({"/a": good.pem}) as path_of:
        place = Path(path_of("/a"))
        assert path_of("/a") == str(place)
        assert place.read_bytes() == good.pem
        assert place.stat().st_mode & 0o77 == 0
    assert not place.exists()


def test_what_has_expired_since_it_was_read_can_still_be_used(tmp_path: Path) -> None:
    old = server_certificate("old.test", days=EXPIRED_DAYS)
    files = old.write(tmp_path)
    loaded = load_rules(rules(tmp_path, files))
    assert listener_credentials(loaded.rules.listeners[0], str, ANY_TIME).certificates[0].fingerprint == old.fingerprint
