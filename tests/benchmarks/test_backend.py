"""The backend really answers as the loads expect it."""

import http.client
from collections.abc import Iterator

import pytest

from benchmarks import backend
from benchmarks.processes import Program, free_port
from tests.doubles.servers import require


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    nginx = require("nginx")
    directory = tmp_path_factory.mktemp("backend")
    number = free_port()
    with Program(
        "backend", backend.command(nginx, directory, backend.write(directory, number, 256)), directory
    ) as server:
        server.wait_until_answers(number)
        yield number
    assert not server.running


def ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


@pytest.mark.parametrize(("path", "size"), [("/small", 150), ("/64k", 65536), ("/1m", 1048576)])
def test_plain_answers_have_their_size_and_a_length(port: int, path: str, size: int) -> None:
    status, body, headers = ask(port, "GET", path)
    assert (status, len(body), headers["Content-Length"]) == (200, size, str(size))


def test_the_chunked_answer_has_no_length(port: int) -> None:
    status, body, headers = ask(port, "GET", "/chunked")
    assert (status, len(body)) == (200, 16 * 1024)
    assert headers["Transfer-Encoding"] == "chunked"
    assert headers["Content-Length"] is None


def test_a_post_is_read_and_accepted(port: int) -> None:
    status, body, headers = ask(port, "POST", "/post", b"x" * 16384)
    assert (status, body) == (200, b'{"accepted":true}')
    assert headers["Connection"] == "keep-alive"
