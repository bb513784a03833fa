"""Live, ready, started, as texts and statuses."""

from sidecar.admin import health
from sidecar.admin.subject import Condition

GOOD = Condition("rules", holds=True, detail="3 routes")
BAD = Condition("upstream app", holds=False, detail="no endpoint is available")
BARE = Condition("serving", holds=False)


def test_alive_is_always_ok() -> None:
    assert health.live() == health.Verdict(200, "ok\n")


def test_ready_is_ok_when_every_condition_holds() -> None:
    assert health.ready([GOOD], verbose=False) == health.Verdict(200, "ok\n")


def test_not_ready_names_what_fails_and_only_that() -> None:
    verdict = health.ready([GOOD, BAD, BARE], verbose=False)
    assert verdict == health.Verdict(503, "not ready: upstream app: no endpoint is available; serving\n")


def test_verbose_names_each_condition() -> None:
    verdict = health.ready([GOOD, BAD], verbose=True)
    assert verdict.status == 503
    assert verdict.text.splitlines() == [
        "[+] rules: 3 routes",
        "[-] upstream app: no endpoint is available",
        "not ready",
    ]


def test_verbose_and_ready_ends_with_ok() -> None:
    assert health.ready([GOOD], verbose=True) == health.Verdict(200, "[+] rules: 3 routes\nok\n")


def test_started_follows_having_been_ready_once() -> None:
    assert health.started(has_been_ready=False).status == 503
    assert health.started(has_been_ready=True).status == 200
