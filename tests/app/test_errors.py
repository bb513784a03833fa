"""The exit codes that scripts rely on."""

from sidecar.app.errors import CommandError, Exit


def test_the_codes_are_what_the_manual_says() -> None:
    codes = {"DONE": 0, "FAILED": 1, "USAGE": 2, "BIND": 3, "CUT": 4, "BROKEN": 5, "UNMET": 6}
    assert {code.name: int(code) for code in Exit} == codes


def test_an_error_prints_as_its_sentence() -> None:
    assert str(CommandError(Exit.BIND, "port 80 is taken")) == "port 80 is taken"
