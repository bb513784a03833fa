"""probe, against a server that answers what a test sets, and against what is no server at all."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.cli.main import main
from sidecar.cli.parser import parser
from sidecar.cli.probe import ANSWERS, read, usual
from tests.doubles.admin import Answering
from tests.doubles.admin import answering as serving


@contextmanager
def _saying(words: bytes, *, then_end: bool = True, family: int = socket.AF_INET) -> Iterator[str]:
    """Answers one client with these bytes, and ends or leaves it waiting until the test is over."""
    with socket.create_server(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family) as server:
        over = threading.Event()

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.recv(1000)
                client.sendall(words)
                if not then_end:
                    over.wait()

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            port = server.getsockname()[1]
            yield f"[::1]:{port}" if family == socket.AF_INET6 else f"127.0.0.1:{port}"
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize("way", [[], ["--timeout", "1500ms"]], ids=["at once", "through the parser"])
@pytest.mark.parametrize("what", ["livez", "readyz", "startupz"])
def test_a_yes_is_0_and_says_nothing(
    admin: str, answering: Answering, what: str, way: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["probe", what, "--admin", admin, *way]) == 0
    assert answering.asked == [("GET", f"/{what}", None)]
    assert capsys.readouterr() == ("", "")


def test_without_a_word_it_asks_whether_the_sidecar_of_the_environment_lives(
    admin: str, answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIDECAR_ADMIN", admin)
    assert main(["probe"]) == 0
    assert answering.asked == [("GET", "/livez", None)]


@pytest.mark.parametrize("way", [[], ["--timeout=3s"]], ids=["at once", "through the parser"])
def test_a_no_is_1_with_the_first_line_of_the_reason(
    admin: str, answering: Answering, way: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    answering.status, answering.body = 503, b"not ready: upstream app has no \x1b[2Jendpoint\nmore\n"
    assert main(["probe", "readyz", "--admin", admin, *way]) == 1
    assert capsys.readouterr().err == "sidecar: readyz is 503: not ready: upstream app has no ?[2Jendpoint\n"


def test_a_unix_socket_is_asked_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(tmp_path / "admin") as told:
        assert main(["probe", "--admin", told.address]) == 0
    assert main(["probe", "--admin", f"unix:{tmp_path}/none"]) == 1
    assert "No such file or directory; --admin names another address" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["", "0.0.0.0", "localhost", "127.0.0.2"])
def test_every_interface_is_reached_through_loopback(host: str) -> None:
    with socket.create_server(("127.0.0.2" if host == "127.0.0.2" else "127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        thread = threading.Thread(target=_answer_ok, args=[server])
        thread.start()
        try:
            assert main(["probe", "--admin", f"{host}:{port}"]) == 0
        finally:
            thread.join()


def _answer_ok(server: socket.socket) -> None:
    server.settimeout(10)
    client, _ = server.accept()
    with client:
        client.recv(1000)
        client.sendall(b"HTTP/1.0 200 OK\r\n\r\nok\n")


@pytest.mark.parametrize("host", ["[::]", "[::1]"])
def test_a_v6_address_is_reached(host: str) -> None:
    try:
        with _saying(b"HTTP/1.1 200 OK\r\n\r\n", family=socket.AF_INET6) as address:
            assert main(["probe", "--admin", address.replace("[::1]", host)]) == 0
    except OSError:
        pytest.skip("this machine has no IPv6")


def test_nobody_there_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unheard.getsockname()[1]}"
        assert main(["probe", "--admin", address]) == 1
    said = capsys.readouterr().err
    assert said == f"sidecar: no sidecar answers at {address}: Connection refused; --admin names another address\n"


@pytest.mark.parametrize(
    "words",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 20",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1\n",
        b"\x15\x03\x01\x00\n",
    ],
)
def test_what_is_no_answer_is_1(words: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    with _saying(words) as address:
        assert main(["probe", "--admin", address]) == 1
    assert capsys.readouterr().err == f"sidecar: what answers at {address} speaks no HTTP\n"


def test_an_answer_without_a_body_is_still_a_no(capsys: pytest.CaptureFixture[str]) -> None:
    with _saying(b"HTTP/1.1 404 Not Found\r\n\r\n") as address:
        assert main(["probe", "--admin", address]) == 1
    assert capsys.readouterr().err == "sidecar: livez is 404: no reason was given\n"


def test_a_body_that_never_ends_keeps_no_verdict_back(capsys: pytest.CaptureFixture[str]) -> None:
    with _saying(b"HTTP/1.1 503 No\r\n\r\nnot ready: draining\n", then_end=False) as address:
        assert main(["probe", "--admin", address, "--timeout", "100ms"]) == 1
    assert capsys.readouterr().err == "sidecar: livez is 503: not ready: draining\n"


def test_a_body_without_an_end_is_not_read_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    with _saying(b"HTTP/1.1 500 No\r\n\r\n" + b"x" * 100_000, then_end=False) as address:
        assert main(["probe", "--admin", address, "--timeout", "30s"]) == 1
    assert capsys.readouterr().err == f"sidecar: livez is 500: {'x' * 300}\n"


def test_a_sidecar_that_hangs_is_waited_for_no_longer_than_asked(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hung:
        address = f"127.0.0.1:{hung.getsockname()[1]}"
        assert main(["probe", "--admin", address, "--timeout", "100ms"]) == 1
    assert capsys.readouterr().err == f"sidecar: no answer from {address} within 0.1s\n"


@pytest.mark.parametrize(
    "words",
    [
        ["healthz"],
        ["--admin"],
        ["--admin", "nonsense"],
        ["--admin", ":x"],
        ["--timeout", "soon"],
        ["--timeout"],
        ["livez", "--x"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_understood_is_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", *words]) == 2
    assert "usage: sidecar" in capsys.readouterr().err


def test_the_help_is_one_word_away(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", "--help"]) == 0
    assert "livez|readyz|startupz" in capsys.readouterr().out


_WORDS = (
    st.sampled_from(["--admin", "--timeout", "1s", "0s", "9", "-1s", "h:1", ":7", "[::]:09", "localhost:80", *ANSWERS])
    | st.from_regex(r"[0-9]{1,6}m?s|[0-9.:\[\]]{0,9}:[0-9]{1,6}", fullmatch=True)
    | st.text(max_size=9)
)


@given(st.lists(_WORDS, max_size=5))
def test_what_is_read_without_the_parser_means_what_it_means_to_the_parser(words: list[str]) -> None:
    taken = usual(words)
    if taken is not None:
        what, _, where, patience = read(parser().parse_args(["probe", *words]))
        assert (taken[0], taken[2], taken[3]) == (what, where, patience)


@pytest.mark.parametrize("words", [[], ["readyz"], ["--admin", ":9901", "livez", "--timeout", "2s"]], ids=" ".join)
def test_the_words_of_manifests_need_no_parser(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIDECAR_ADMIN", raising=False)
    taken = usual(words)
    assert taken is not None
    assert taken[2] == ("127.0.0.1", 9901)


def _loaded_by(statement: str) -> set[str]:
    code = f"import sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    return set(ended.stdout.split())


def test_it_costs_little_more_than_the_interpreter(admin: str) -> None:
    loaded = _loaded_by(f"from sidecar.cli.main import main; assert main(['probe', '--admin', {admin!r}]) == 0")
    ours = {name for name in loaded if name.startswith("sidecar")}
    assert ours == {"sidecar", "sidecar.cli", "sidecar.cli.main", "sidecar.cli.probe"}
    assert not loaded & {"argparse", "re", "enum", "socket", "typing", "http", "logging", "rich", "encodings.idna"}
