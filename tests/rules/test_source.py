"""Files are read whole, bounded, as UTF-8."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.rules.parse import MAX_BYTES
from sidecar.rules.source import MAX_SECRET_BYTES, read_rules, read_secret


def test_rules_are_read_as_they_are_and_a_secret_without_its_last_line_break(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes("é\r\n".encode())
    assert read_rules(str(file)) == "é\r\n"
    assert read_secret(str(file)) == "é"


@pytest.mark.parametrize(
    ("content", "sentence"), [(b"a\xff", "is not UTF-8: byte 1 is 0xff"), (b"x" * (MAX_BYTES + 1), "is larger than")]
)
def test_what_is_not_a_text_of_bounded_size_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    file = tmp_path / "f"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        read_rules(str(file))


def test_a_secret_is_small(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"x" * (MAX_SECRET_BYTES + 1))
    with pytest.raises(ValueError, match="is larger than"):
        read_secret(str(file))


@pytest.mark.parametrize("content", ["", "\n", "\r\n"])
def test_a_secret_is_not_empty(tmp_path: Path, content: str) -> None:
    file = tmp_path / "f"
    file.write_text(content, newline="")
    with pytest.raises(ValueError, match="is empty"):
        read_secret(str(file))


def test_a_missing_file_or_a_directory_cannot_be_read(tmp_path: Path) -> None:
    for path in (str(tmp_path), str(tmp_path / "no"), "a\0b"):
        with pytest.raises(ValueError, match="cannot be read"):
            read_rules(path)
