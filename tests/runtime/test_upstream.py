"""An upstream picks one of its endpoints, and keeps them over changes of their addresses."""

from __future__ import annotations

import random

from sidecar.model.address import Address
from sidecar.model.observer import UpstreamObserver
from sidecar.policies.selection import Hash, RoundRobin, Strategy
from sidecar.runtime.endpoint import Endpoint
from sidecar.runtime.upstream import Upstream
from tests.runtime.requests import endpoint


def upstream(*endpoints: Endpoint, strategy: Strategy | None = None) -> Upstream:
    return Upstream("app", endpoints, strategy or RoundRobin(), random.Random(1), UpstreamObserver())


def test_an_upstream_without_endpoints_picks_none() -> None:
    assert upstream().pick(0.0, None, None) is None
    assert upstream().pick(0.0, None, endpoint(1)) is None


def test_the_only_endpoint_is_picked_even_when_it_is_to_be_avoided() -> None:
    only = endpoint(1)
    assert upstream(only).pick(0.0, None, only) is only


def test_an_avoided_endpoint_is_skipped_while_there_is_another() -> None:
    one, two, three = endpoint(1), endpoint(2), endpoint(3)
    pair = upstream(one, two)
    assert [pair.pick(0.0, None, one) for _ in range(3)] == [two, two, two]
    many = upstream(one, two, three)
    assert {many.pick(0.0, None, two) for _ in range(6)} == {one, three}


def test_a_request_without_a_key_is_not_sent_where_all_such_requests_go() -> None:
    ends = [endpoint(port) for port in range(1, 9)]
    group = upstream(*ends, strategy=Hash())
    assert len({group.pick(0.0, "ann", None) for _ in range(20)}) == 1
    assert len({group.pick(0.0, "", None) for _ in range(50)}) > 1


def test_new_addresses_keep_the_endpoints_that_are_known() -> None:
    one, two = endpoint(1), endpoint(2)
    one.in_flight, one.channel = 3, object()
    group = upstream(one, two)
    fresh = endpoint(3)
    gone = group.replace_endpoints([fresh, endpoint(1, weight=5)])
    assert gone == (two,)
    assert group.endpoints == (fresh, one)
    assert (one.weight, one.in_flight) == (5, 3)


def test_an_address_that_is_spoken_to_in_another_way_is_another_endpoint() -> None:
    plain = endpoint(1)
    group = upstream(plain)
    secure = Endpoint("app", Address("127.0.0.1", 1), scheme="https")
    assert group.replace_endpoints([secure]) == (plain,)
    assert group.endpoints == (secure,)


def test_an_address_given_twice_is_one_endpoint() -> None:
    group = upstream(endpoint(1))
    group.replace_endpoints([endpoint(2), endpoint(2)])
    assert [one.name for one in group.endpoints] == ["app/127.0.0.1:2"]
