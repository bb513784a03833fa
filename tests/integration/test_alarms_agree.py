"""The terminal and the dashboard judge by two pieces of code, one for each language: here they have to agree.

Each case is one thing that is wrong. Both have to find it, nothing else, and call it equally grave: critical or not.
What only the rates of some seconds tell is not among them.
"""

from __future__ import annotations

from typing import Any

from sidecar.cli.alarms import alarms
from sidecar.cli.rates import failures
from sidecar.cli.sheets import Tone
from sidecar.model.outcome import Cause
from sidecar.model.reason import Reason
from tests.doubles.browser import browsing, launched
from tests.doubles.told_status import START, Told, breaker, endpoint, failed_reload, served, status, upstream

MIB = 1 << 20
OUT = {"takes_attempts": False}
DAY = 86400.0


def pressure(*, accepting: bool = True, needed: int = 0, resident: int = 0, shedding: bool = False) -> dict[str, Any]:
    """What is used of a hundred."""
    return {
        "accepting": accepting,
        "descriptors": {"limit": 200, "for_connections": 100, "needed": needed},
        "memory": {"shedding": shedding, "resident_bytes": resident * MIB, "limit_bytes": 100 * MIB},
    }


def one_endpoint(**changes: Any) -> dict[str, Any]:
    return {"upstreams": [upstream(endpoints=[endpoint("app/a"), endpoint("app/b", **changes)])]}


def one_breaker(state: str, **changes: Any) -> dict[str, Any]:
    return {"breakers": {"upstream.app": breaker(state, **changes)}}


def hold(held: int) -> dict[str, Any]:
    return {"upstreams": [upstream(policies={"app/hold": {"max_requests": 9, "held": held, "seconds": 3.0}})]}


def certificate(ends: float) -> dict[str, Any]:
    """One that ends so many seconds from now."""
    return {"names": [], "subject": "CN=app", "fingerprint": "f", "not_after": START + ends}


def listener(ends: float) -> dict[str, Any]:
    return {"name": "public", "address": "0.0.0.0:8443", "connections": 0, "tls": {"certificates": [certificate(ends)]}}


def workers(*phases: str) -> list[dict[str, Any]]:
    return [{"slot": slot, "phase": phase, "restarts": 1} for slot, phase in enumerate(phases)]


CASES: list[tuple[str, dict[str, Any], list[bool]]] = [
    ("nothing", {}, []),
    ("not ready", {"not_ready": ["upstream app: no endpoint is available"]}, [True]),
    ("no descriptor", {"pressure": pressure(accepting=False, needed=101)}, [True]),
    ("few descriptors", {"pressure": pressure(needed=91)}, [False]),
    ("enough descriptors", {"pressure": pressure(needed=90)}, []),
    ("no memory", {"pressure": pressure(resident=101, shedding=True)}, [True]),
    ("little memory", {"pressure": pressure(resident=91)}, [False]),
    ("enough memory", {"pressure": pressure(resident=90)}, []),
    ("late", {"loop_lag_seconds": 0.11}, [False]),
    ("in time", {"loop_lag_seconds": 0.1}, []),
    ("reload", {"reload": failed_reload("sidecar.yaml:1:2: error: no")}, [True]),
    ("certificate for long", {"listeners": [listener(ends=14 * DAY)]}, []),
    ("certificate for a fortnight", {"listeners": [listener(ends=14 * DAY - 1)]}, [False]),
    ("certificate for days", {"listeners": [listener(ends=3 * DAY - 1)]}, [True]),
    ("certificate over", {"listeners": [listener(ends=-1)]}, [True]),
    ("own certificate over", {"upstreams": [upstream(certificates=[certificate(-1)])]}, [True]),
    ("breaker open", one_breaker("open", open_remaining=2.5), [True]),
    ("breaker open, in shadow", one_breaker("open", shadow=True), [False]),
    ("breaker open, by hand", one_breaker("open", forced="open", open_remaining=None), [True]),
    ("breaker half open", one_breaker("half_open"), [False]),
    ("breaker closed, by hand", one_breaker("closed", forced="close"), [False]),
    ("endpoint down", one_endpoint(down=True, why_down="refused", **OUT), [True]),
    ("endpoint drained", one_endpoint(drained=True, **OUT), [False]),
    ("endpoint down and drained", one_endpoint(down=True, drained=True, **OUT), [False]),
    ("endpoint ejected", one_endpoint(ejection={"state": "ejected", "seconds_left": 9.5}, **OUT), [True]),
    ("endpoint back", one_endpoint(ejection={"state": "available", "seconds_left": 0.0}), []),
    ("endpoint out", one_endpoint(**OUT), [True]),
    ("endpoint out in part", one_endpoint(workers={"taking_attempts": 1, "all": 3}), [False]),
    ("pool used up", one_endpoint(pool={"in_use": 8, "idle": 0, "waiting": 3, "connecting": 0}), [False]),
    ("held", hold(7), [False]),
    ("none held", hold(0), []),
    ("worker restarting", {"workers": workers("serving", "restarting")}, [False]),
    ("workers draining", {"phase": "draining", "workers": workers("draining", "serving")}, []),
]
JUDGED = """async (told) => { const m = await import('/dashboard/alarms.js'); return told.map((one) =>
    m.alarms({ status: one }, []).map(({ tone }) => tone === 'bad')); }"""
REASONS = """async (codes) => { const m = await import('/dashboard/words.js');
    return codes.filter((code) => !m.meaning(code)); }"""
FAILURES = """async (outcomes) => { const m = await import('/dashboard/figures.js');
    return outcomes.filter((outcome) => m.isFailure(outcome)); }"""


async def test_terminal_and_dashboard_find_the_same_things_wrong() -> None:
    told = [status(**changes) for _name, changes, _critical in CASES]
    async with launched() as chromium, served(Told()) as url, browsing(chromium, url) as page:
        judged = await page.evaluate(JUDGED, told)
    for (name, _changes, critical), one, by_the_dashboard in zip(CASES, told, judged, strict=True):
        by_the_terminal = [cell.tone is Tone.BAD for (cell,) in alarms(one)]
        assert (name, by_the_terminal, by_the_dashboard) == (name, critical, critical)


async def test_terminal_and_dashboard_call_the_same_attempts_failed() -> None:
    outcomes = ["success", "5xx", *(cause.value for cause in Cause)]
    async with launched() as chromium, served(Told()) as url, browsing(chromium, url) as page:
        by_the_dashboard = await page.evaluate(FAILURES, outcomes)
    assert by_the_dashboard == list(failures(dict.fromkeys(outcomes, 1)))
    assert set(outcomes) - set(by_the_dashboard) == {"success", "downstream_gone"}


async def test_the_dashboard_knows_the_meaning_of_every_reason() -> None:
    async with launched() as chromium, served(Told()) as url, browsing(chromium, url) as page:
        assert await page.evaluate(REASONS, [reason.code for reason in Reason]) == []
