"""Which trailers travel on."""

import pytest

from sidecar.wire.errors import BadMessage
from sidecar.wire.message import HeadLimits
from sidecar.wire.trailers import forwardable_trailers

LIMITS = HeadLimits(max_fields=4)


def kept(section: bytes) -> bytes:
    return forwardable_trailers(section, LIMITS, "bad_request", "headers_too_large")


def test_ordinary_trailers_are_kept_verbatim_and_in_order() -> None:
    lines = b"grpc-status: 0\r\nGRPC-Message:\r\nServer-Timing: a;dur=1 \r\nEmpty:\r\n"
    assert kept(lines + b"\r\n") == lines


@pytest.mark.parametrize(
    "name",
    [
        *(b"Content-Length", b"transfer-encoding", b"HOST", b"Connection", b"Authorization", b"Set-Cookie"),
        *(b"Content-Type", b"Via", b"X-Forwarded-For", b"Cookie", b"Proxy-Authorization", b"Upgrade", b"TE"),
        *(b"Content_Length", b"X_Forwarded_Client_Cert", b"x_forwarded-for"),
    ],
)
def test_fields_for_framing_routing_and_authentication_are_dropped(name: bytes) -> None:
    assert kept(b"A: 1\r\n" + name + b": 5\r\nB: 2\r\n\r\n") == b"A: 1\r\nB: 2\r\n"


def test_too_many_trailers_have_their_own_code() -> None:
    with pytest.raises(BadMessage) as caught:
        kept(b"A: 1\r\n" * 5 + b"\r\n")
    assert caught.value.code == "headers_too_large"


def test_a_malformed_trailer_is_refused() -> None:
    with pytest.raises(BadMessage) as caught:
        kept(b"A: 1\r\nb c: 2\r\n\r\n")
    assert caught.value.code == "bad_request"
