"""What heads say about being kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.wire.caching import (
    MAX_SECONDS,
    NO_SECONDS,
    age_seconds,
    cache_directives,
    delta_seconds,
    ends_itself,
    replayable,
    vary_names,
)
from sidecar.wire.message import CHUNKED, LENGTH, NO_BODY, UNTIL_CLOSE

NOW = 1_790_000_000.0  # September 2026


@pytest.mark.parametrize(
    ("control", "directives"),
    [
        (b"", {}),
        (b",, ,", {}),
        (b"no-store", {b"no-store": NO_SECONDS}),
        (b"Max-Age=60, PUBLIC", {b"max-age": 60, b"public": NO_SECONDS}),
        (b'max-age="60"\t,public', {b"max-age": 60, b"public": NO_SECONDS}),
        (b'private="set-cookie, x-user"', {b"private": NO_SECONDS}),
        (b'x="a\\", no-store", public', {b"x": NO_SECONDS, b"public": NO_SECONDS}),
        (b"max-age=soon", {b"max-age": NO_SECONDS}),
        (b"max-age=", {b"max-age": NO_SECONDS}),
        (b"max-age=99999999999999999999", {b"max-age": MAX_SECONDS}),
    ],
)
def test_directives_are_read_by_lower_case_name_with_their_seconds(
    control: bytes, directives: dict[bytes, int]
) -> None:
    assert cache_directives(control, None) == directives


def test_of_a_directive_said_twice_the_first_counts() -> None:
    assert cache_directives(b"max-age=1, max-age=1000", None) == {b"max-age": 1}


def test_a_comma_inside_quotes_hides_no_directive_and_makes_none() -> None:
    assert cache_directives(b'community="a, no-store", no-cache', None) == {
        b"community": NO_SECONDS,
        b"no-cache": NO_SECONDS,
    }


@pytest.mark.parametrize(
    "control", [b'x="open, no-store', b"max-age = 60", b"a b", b"max-age=1;no-store", b"=", b'x="a"b', b"\xff"]
)
def test_what_can_be_read_in_two_ways_is_not_read_at_all(control: bytes) -> None:
    assert cache_directives(control, None) is None


def test_pragma_counts_only_where_there_is_no_cache_control() -> None:
    assert cache_directives(None, b"No-Cache") == {b"no-cache": NO_SECONDS}
    assert cache_directives(b"max-age=5", b"no-cache") == {b"max-age": 5}
    assert cache_directives(None, b"x") == {}
    assert cache_directives(None, None) == {}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"0", 0),
        (b"0" * 50 + b"7", 7),
        (b"4294967296", MAX_SECONDS),
        (b"9" * 5000, MAX_SECONDS),
        (b"-1", NO_SECONDS),
        (b"1.5", NO_SECONDS),
        (b" 1", NO_SECONDS),
        (b"", NO_SECONDS),
        (None, NO_SECONDS),
    ],
)
def test_seconds_are_whole_not_negative_and_bounded(value: bytes | None, seconds: int) -> None:
    assert delta_seconds(value) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"), [(None, 0), (b"12", 12), (b"12, 50", 12), (b"x, 50", 0), (b"-3", 0), (b"", 0)]
)
def test_an_age_is_its_first_number_and_nonsense_is_none(value: bytes | None, seconds: int) -> None:
    assert age_seconds(value) == seconds


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (None, ()),
        (b"", ()),
        (b"Accept, accept-Encoding,ACCEPT", (b"accept", b"accept-encoding")),
        (b"*", None),
        (b"Accept, *", None),
        (b"a b", None),
        (b"x:y", None),
    ],
)
def test_varying_names_are_listed_once_and_a_star_fits_nobody(
    value: bytes | None, names: tuple[bytes, ...] | None
) -> None:
    assert vary_names(value) == names


@pytest.mark.parametrize("framing", [NO_BODY, LENGTH, CHUNKED])
def test_a_body_has_an_end_of_its_own_unless_it_is_a_stream_of_events(framing: int) -> None:
    assert ends_itself(framing, None)
    assert ends_itself(framing, b"text/html")
    assert not ends_itself(framing, b"Text/Event-Stream; charset=utf-8")


def test_the_close_of_a_connection_is_no_end_of_its_own() -> None:
    assert not ends_itself(UNTIL_CLOSE, b"text/html")


def test_what_belongs_to_one_exchange_is_not_replayed() -> None:
    fields = (
        b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nAGE: 3\r\nContent-Length: 5\r\nETag: x\r\nage: 4\r\n"
        b"Trailer: x-sum\r\nX-Request-Id: 1\r\nVary: a\r\n"
    )
    assert replayable(fields, NOW) == b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nETag: x\r\nVary: a\r\n"


def test_an_answer_without_a_date_gets_the_one_of_its_arrival() -> None:
    line = b"Date: Mon, 21 Sep 2026 14:13:20 GMT\r\n"
    assert replayable(b"", NOW) == line
    assert replayable(b"X-Date: 1\r\n", NOW) == b"X-Date: 1\r\n" + line
    assert replayable(b"X: 1\r\ndATE: 1\r\n", NOW) == b"X: 1\r\ndATE: 1\r\n"


@given(st.binary(max_size=60) | st.text(' ,="\\ano-', max_size=40).map(str.encode))
def test_no_bytes_make_the_readers_fail(value: bytes) -> None:
    directives = cache_directives(value, value)
    assert directives is None or all(NO_SECONDS <= seconds <= MAX_SECONDS for seconds in directives.values())
    names = vary_names(value)
    assert names is None or b"*" not in names
    assert age_seconds(value) >= 0


@given(st.lists(st.sampled_from([b"no-store", b"max-age=5", b'x="a,b"', b"public", b""]), max_size=6))
def test_a_joined_list_says_what_its_members_say(members: list[bytes]) -> None:
    joined = cache_directives(b", ".join(members), None)
    assert joined == {
        name: seconds for member in members for name, seconds in (cache_directives(member, None) or {}).items()
    }
