"""Numbers in a query."""

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from sidecar.demo.query import number


def test_a_number_that_is_not_there_is_the_default() -> None:
    assert number(make_mocked_request("GET", "/slow"), "seconds", 1.5, 60.0) == 1.5


def test_the_bounds_belong_to_what_is_allowed() -> None:
    assert [number(make_mocked_request("GET", f"/?a={text}"), "a", 1.0, 2.0) for text in ("0", "2")] == [0.0, 2.0]


@pytest.mark.parametrize("text", ["-0.1", "2.1", "nan", "inf", "", "two"])
def test_anything_else_is_answered_with_what_to_write(text: str) -> None:
    with pytest.raises(web.HTTPBadRequest) as refused:
        number(make_mocked_request("GET", f"/?a={text}"), "a", 1.0, 2.0)
    assert refused.value.text == "a is a number from 0 to 2\n"
