"""How a command starts, and how it ends."""

import os
import subprocess
import sys

import pytest

from sidecar import __version__
from sidecar.cli.main import main


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["bogus"],
        ["run", "--bogus"],
        ["check"],
        ["explain", "GET"],
        ["status", "--admin", "nonsense"],
        ["run", "--workers", "0", "--upstream", "http://127.0.0.1:1"],
        ["run", "--workers", "65", "--upstream", "http://127.0.0.1:1"],
        ["run", "--workers", "x", "--upstream", "http://127.0.0.1:1"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_understood_is_usage(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    assert "usage:" in capsys.readouterr().err


def test_what_only_a_supervisor_types_is_offered_to_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bogus"]) == 2
    said = capsys.readouterr().err
    assert "'uninject'" in said
    assert "worker" not in said
    assert main(["worker", "bogus"]) == 2
    assert "invalid int value: 'bogus'" in capsys.readouterr().err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-V"]) == 0
    assert capsys.readouterr().out == f"sidecar {__version__}\n"


def test_help_names_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for word in (
        "run",
        "check",
        "explain",
        "schema",
        "demo",
        "status",
        "top",
        "reload",
        "drain",
        "probe",
        "3 an address could not be bound",
    ):
        assert word in text


def test_a_reader_that_leaves_is_no_failure() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "sidecar", "schema"], stdout=writer, stderr=subprocess.PIPE, timeout=30, check=False
        )
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_standard_output_that_is_full_is_said_to_be_so() -> None:
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "sidecar", "schema"]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=30, check=False)
    assert (ended.returncode, ended.stderr) == (
        1,
        b"sidecar: cannot write: No space left on device\n",
    )


def test_a_standard_output_that_is_closed_is_no_bug() -> None:
    command = [sys.executable, "-m", "sidecar", "top", "--once", "--admin", "127.0.0.1:1"]
    shell = ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *command]
    ended = subprocess.run(shell, stderr=subprocess.PIPE, timeout=30, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith(b"sidecar: no sidecar answers at 127.0.0.1:1")


def test_status_does_not_wait_for_the_import_of_a_server() -> None:
    code = (
        "import sys; from sidecar.cli.main import main; main(['status', '--admin', '127.0.0.1:1']);"
        "sys.exit('aiohttp' in sys.modules or 'uvloop' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30, check=False)
    assert ended.returncode == 0
    assert b"Traceback" not in ended.stderr


@pytest.mark.parametrize("number", [1, 2])
def test_process_1_of_a_container_is_ended_by_sigterm_as_any_other(number: int) -> None:
    # Others are already; a handler that nobody needs would only take what the kernel says of their end.
    first = f"import os, signal; os.getpid = lambda: {number}\n"
    then = (
        "from sidecar.cli.main import main; main(['-V']); print(signal.getsignal(15) == signal.SIG_DFL, flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{first}{then}signal.raise_signal(15)"], capture_output=True, text=True, check=False
    )
    assert done.stdout.split()[-1] == str(number != 1)
    assert done.returncode == (143 if number == 1 else -15)
