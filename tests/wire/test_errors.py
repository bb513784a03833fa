"""The one exception of the wire."""

import pickle

from sidecar.wire.errors import BAD_REQUEST, CODES, BadMessage


def test_a_bad_message_carries_its_code_and_detail_even_through_pickle() -> None:
    error = pickle.loads(pickle.dumps(BadMessage(BAD_REQUEST, "why")))
    assert (error.code, error.detail, str(error)) == ("bad_request", "why", "bad_request: why")


def test_the_codes_are_a_closed_set() -> None:
    assert frozenset({"bad_request", "uri_too_long", "headers_too_large", "upstream_protocol_error"}) == CODES
