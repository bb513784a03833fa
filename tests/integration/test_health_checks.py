"""Active checks of a running proxy on real sockets: readiness, requests and what operators see follow the backend."""

from __future__ import annotations

from tests.doubles.backend import OK, Backend, Call, refusing
from tests.doubles.clock import Clock
from tests.doubles.running import RunningProxy, example, rules_text, running

ILL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


class Patient:
    """A backend that serves, and says of itself at /healthz what it is told to."""

    def __init__(self) -> None:
        self.health = OK
        self.served = 0

    async def __call__(self, call: Call) -> None:
        await call.body()
        if call.request.target != b"/healthz":
            self.served += 1
        await call.send(self.health if call.request.target == b"/healthz" else OK)


async def looks(proxy: RunningProxy, count: int) -> None:
    """Time passes until so many more checks have ended."""
    wanted = checks(proxy) + count
    while checks(proxy) < wanted:
        await proxy.pass_time(0.1)
        await proxy.until(lambda: not len(proxy.prober._tasks))


def checks(proxy: RunningProxy) -> int:
    return sum(proxy.stats.upstream("app").health_checks.values())


def told(proxy: RunningProxy) -> list[str]:
    return [event.text for event in proxy.stats.events.recent if event.kind == "health"]


async def ready(proxy: RunningProxy) -> tuple[int, str]:
    answer = await proxy.admin("GET", "/readyz?verbose")
    (line,) = [line for line in answer.body.decode().splitlines() if "upstream app" in line]
    return answer.status, line


async def test_nothing_is_sent_to_a_backend_before_it_says_that_it_is_well() -> None:
    patient = Patient()
    patient.health = ILL
    rules = "health_check: {path: /healthz}, hold: null"
    async with (
        Backend(patient) as backend,
        running(rules=rules_text(backend.url, upstream=rules), clock=Clock()) as proxy,
    ):
        await proxy.until(lambda: checks(proxy) >= 1)
        name = f"app/127.0.0.1:{backend.port}"
        line = f"[-] upstream app: 0 of 1 endpoints available; down: {name}: status 503"
        assert await ready(proxy) == (503, line)
        assert (await proxy.admin("GET", "/startupz")).status == 503
        assert (await proxy.ask()).status == 503
        assert patient.served == 0
        patient.health = OK
        await looks(proxy, 1)
        assert await ready(proxy) == (200, "[+] upstream app: 1 of 1 endpoints available")
        assert (await proxy.ask()).status == 200
        assert told(proxy) == ["down: status 503", "up: status 200"]


async def test_of_the_example_s_two_backends_the_one_that_is_ill_gets_nothing_until_it_is_well() -> None:
    first, second = Patient(), Patient()
    async with Backend(first) as one, Backend(second) as two:
        given = example("health-check", one.url, two.url)
        async with running(given=given, clock=Clock(), seed=3) as proxy:
            await proxy.until(lambda: checks(proxy) >= 2)
            first.health = ILL
            await looks(proxy, 12)
            status = (await proxy.status())["upstreams"][0]["endpoints"]
            assert [(told["down"], told["why_down"]) for told in status] == [(True, "status 503"), (False, "")]
            for _ in range(10):
                assert (await proxy.ask()).status == 200
            assert (first.served, second.served) == (0, 10)
            first.health = OK
            await looks(proxy, 8)
            for _ in range(40):
                assert (await proxy.ask()).status == 200
            assert first.served > 0


async def test_in_shadow_mode_only_events_and_counts_say_what_would_have_been() -> None:
    rules = "health_check: {tcp: true, unhealthy_after: 1, mode: shadow}"
    with refusing() as port:
        url = f"http://127.0.0.1:{port}"
        async with running(rules=rules_text(url, upstream=rules), clock=Clock()) as proxy:
            await proxy.until(lambda: checks(proxy) >= 1)
            assert await ready(proxy) == (200, "[+] upstream app: 1 of 1 endpoints available")
            assert told(proxy) == ["would be down (shadow): connection refused"]
            metrics = (await proxy.admin("GET", "/metrics")).body.decode()
    assert f'endpoint="app/127.0.0.1:{port}",result="connect_failure",upstream="app"' in metrics
