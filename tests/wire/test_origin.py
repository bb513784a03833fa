"""The facts of a connection and the lines made from them once."""

from sidecar.wire.origin import Origin


def test_the_lines_follow_from_the_facts() -> None:
    origin = Origin("2001:db8::1", b"https", True, 443)
    assert (origin.peer_line, origin.proto_line) == (
        b"X-Forwarded-For: 2001:db8::1\r\n",
        b"X-Forwarded-Proto: https\r\n",
    )
    assert (origin.peer_token, origin.trusted, origin.port) == (b"2001:db8::1", True, 443)


def test_a_unix_socket_has_no_peer_line() -> None:
    assert Origin("").peer_line == b""


def test_an_element_of_forwarded_says_who_how_and_perhaps_by_whom() -> None:
    assert Origin("192.0.2.7").forwarded == b""
    assert Origin("192.0.2.7", forwarded=True).forwarded == b"for=192.0.2.7;proto=http"
    assert Origin("2001:db8::1", b"https", forwarded=True, by="_edge").forwarded == (
        b'for="[2001:db8::1]";proto=https;by=_edge'
    )
    assert Origin("", forwarded=True).forwarded == b"for=unknown;proto=http"
