"""Policies are found again by what they are, or by the key they stand under."""

from sidecar.policies.header_edits import HeaderEditsSpec
from sidecar.policies.rate_limit import RateLimitSpec
from sidecar.policies.timeout import TimeoutSpec
from sidecar.rules.marks import policies_of, policy_of

LIMITS = (RateLimitSpec(name="one", rate=1.0), RateLimitSpec(name="two", rate=2.0))
POLICIES = {
    "timeout": TimeoutSpec(),
    "rate_limits": LIMITS,
    "request_headers": HeaderEditsSpec(remove=("a",)),
    "response_headers": HeaderEditsSpec(remove=("b",)),
}


def test_a_policy_is_found_by_its_type_and_the_first_of_a_list_stands_for_it() -> None:
    assert policy_of(POLICIES, TimeoutSpec, None) == TimeoutSpec()
    assert policy_of(POLICIES, RateLimitSpec, None) is LIMITS[0]
    assert policy_of({}, TimeoutSpec, None) is None


def test_the_key_tells_apart_those_that_share_a_type() -> None:
    found = policy_of(POLICIES, HeaderEditsSpec, "response_headers")
    assert found is not None
    assert found.remove == ("b",)
    assert policy_of(POLICIES, TimeoutSpec, "response_headers") is None


def test_every_item_of_a_list_is_one_policy() -> None:
    assert policies_of(POLICIES, RateLimitSpec) == [*LIMITS]
