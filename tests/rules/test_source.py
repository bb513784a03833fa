"""Files are read whole, bounded, as UTF-8."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sidecar.rules.parse import MAX_BYTES
from sidecar.rules.source import MAX_SECRET_BYTES, Files, fingerprint


def test_rules_are_read_as_they_are_and_a_secret_without_its_last_line_break(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes("é\r\n".encode())
    assert Files().rules(str(file)) == "é\r\n"
    assert Files().secret(str(file)) == "é"


@pytest.mark.parametrize(
    ("content", "sentence"), [(b"a\xff", "is not UTF-8: byte 1 is 0xff"), (b"x" * (MAX_BYTES + 1), "is larger than")]
)
def test_what_is_not_a_text_of_bounded_size_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    file = tmp_path / "f"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        Files().rules(str(file))


def test_a_secret_is_small(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"x" * (MAX_SECRET_BYTES + 1))
    with pytest.raises(ValueError, match="is larger than"):
        Files().secret(str(file))


@pytest.mark.parametrize("content", ["", "\n", "\r\n"])
def test_a_secret_is_not_empty(tmp_path: Path, content: str) -> None:
    file = tmp_path / "f"
    file.write_text(content, newline="")
    with pytest.raises(ValueError, match="is empty"):
        Files().secret(str(file))


def test_a_missing_file_or_a_directory_cannot_be_read(tmp_path: Path) -> None:
    for path in (str(tmp_path), str(tmp_path / "no"), "a\0b"):
        with pytest.raises(ValueError, match="cannot be read"):
            Files().rules(path)


def test_what_was_read_is_remembered_by_its_path_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real").write_text("a\n")
    (tmp_path / "link").symlink_to("real")
    files = Files()
    files.secret("link")
    path = str(tmp_path / "link")
    assert files.seen == {path: fingerprint(path)}
    (tmp_path / "real").write_text("a")  # the same secret, and yet another file
    assert files.seen[path] != fingerprint(path) != ""


@pytest.mark.parametrize("content", [b"\xff", b"x" * (MAX_SECRET_BYTES + 1), b"x" * (MAX_BYTES + 1), b"", b"\n", None])
def test_what_could_not_be_read_is_remembered_too_and_looks_the_same_at_a_second_look(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "f"
    if content is not None:
        file.write_bytes(content)
    files = Files()
    with pytest.raises(ValueError, match=r"cannot be read|is "):
        files.secret(str(file))
    assert files.seen == {str(file): fingerprint(str(file))}
    assert (files.seen[str(file)] == "") == (not content)


def test_a_pipe_is_not_remembered_and_has_no_fingerprint(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    try:
        os.write(writer, b"version: 1\n")
        os.close(writer)
        files = Files()
        assert files.rules(f"/dev/fd/{reader}") == "version: 1\n"
        assert files.seen == {}
        assert fingerprint(f"/dev/fd/{reader}") == ""
    finally:
        os.close(reader)


def test_a_file_that_is_away_or_a_directory_has_an_empty_fingerprint(tmp_path: Path) -> None:
    assert [fingerprint(path) for path in (str(tmp_path), str(tmp_path / "no"), "a\0b")] == ["", "", ""]


def test_a_pipe_is_no_place_for_a_certificate_and_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ValueError, match="it is no regular file"):
        Files().credential(str(pipe))
