"""Judgements, put together from few words: what a proxy may do according to the RFC, never according to one proxy.

Each word makes a `Judge`; it answers what is wrong, or nothing. `sound` holds for every case, whatever its own
judgement: a proxy sends nothing malformed to anybody, no reader loses its place, and bystanders get their own answers.
"""

from __future__ import annotations

from tests.conformance.case import Judge, Seen
from tests.conformance.reader import Message, listed, shown

_GATEWAY = (500, 502, 503, 504)


def sound(seen: Seen) -> str:
    """What must hold after every case."""
    if seen.faults:
        return f"sent {seen.faults[0]}"
    for request in seen.requests:
        if request.target.endswith(b"/hidden"):
            return "took bytes of a message for a request of their own, and forwarded it"
    if len(seen.answers) > seen.expected:
        return f"sent {len(seen.answers)} answers where {seen.expected} had to come"
    if any(b"/hidden" in answer.body for answer in seen.answers if answer.status == 200):
        return "answered a request that nobody made"
    for what, canary in (("the same", seen.same), ("a new", seen.new)):
        if canary is not None and canary.status == 200 and bytes(canary.body) != b"saw " + canary.target:
            return f"gave a later request on {what} connection another's answer: {shown(canary.body)}"
    if seen.new is None or seen.new.status != 200:
        return f"a later request on a new connection was not served: {_told(seen.new)}"
    return ""


def refused(*statuses: int, close: bool = False) -> Judge:
    """An error is answered, or the connection closed; the backend may have seen the beginning, never a whole request.

    Without `statuses` any 4xx, 500, 501, 502 and 505 will do: the refusal counts, not its number.
    """

    def judge(seen: Seen) -> str:
        if whole := [request for request in seen.requests if request.complete]:
            return f"forwarded it: {shown(whole[0].first)}{_framed(whole[0])}"
        if seen.silent:
            return "neither answered nor closed the connection"
        if seen.answers:
            status = seen.answers[0].status
            wanted = status in statuses if statuses else 400 <= status < 500 or status in (500, 501, 502, 505)
            if not wanted:
                return f"answered {status}"
        elif statuses:
            return f"closed the connection without {' or '.join(map(str, statuses))}"
        return "kept the connection open" if close and not seen.closed else ""

    return judge


def forwarded(
    body: bytes | None = None,
    *,
    count: int = 1,
    target: bytes | None = None,
    method: bytes | None = None,
    has: dict[str, bytes] | None = None,
    lacks: tuple[str, ...] = (),
) -> Judge:
    """So many whole requests reached the backend, each answered with its own 200; the rest is asked of the first."""

    def judge(seen: Seen) -> str:
        if wrong := _arrived(seen, count):
            return wrong
        first = seen.requests[0]
        if body is not None and bytes(first.body) != body.replace(b"~", seen.key):
            return f"forwarded the body as {shown(first.body)}"
        if target is not None and first.target != target.replace(b"~", seen.key):
            return f"forwarded the target as {shown(first.target)}"
        if method is not None and first.method != method:
            return f"forwarded the method as {shown(first.method)}"
        return _edited(first, has or {}, lacks, "forwarded")

    return judge


def _arrived(seen: Seen, count: int) -> str:
    whole = [request for request in seen.requests if request.complete]
    if len(whole) != count:
        first = f", and answered {seen.answers[0].status}" if seen.answers else _ended(seen)
        what = f"forwarded {len(whole)} of {count} requests" if whole or count > 1 else "did not forward it"
        return what + first
    if [answer.status for answer in seen.answers[:count]] != [200] * count:
        return f"answered {', '.join(str(answer.status) for answer in seen.answers)}{_ended(seen)}"
    for request, answer in zip(whole, seen.answers, strict=False):
        if request.method != b"HEAD" and answer.body != b"saw " + request.target:
            return f"answered {shown(request.first)} with {shown(answer.body)}"
    return ""


def _edited(message: Message, has: dict[str, bytes], lacks: tuple[str, ...], verb: str) -> str:
    for name, value in has.items():
        if value not in message.all(name):
            return f"{verb} {name} as {listed(message.all(name))}"
    for name in lacks:
        if message.all(name):
            return f"{verb} {name}: {shown(message.all(name)[0])}"
    return ""


def answered(
    status: int | tuple[int, ...] = 200,
    body: bytes | None = None,
    *,
    has: dict[str, bytes] | None = None,
    lacks: tuple[str, ...] = (),
    count: int = 1,
) -> Judge:
    """The client got so many whole answers; the rest is asked of the first."""
    statuses = (status,) if isinstance(status, int) else status

    def judge(seen: Seen) -> str:
        whole = [answer for answer in seen.answers if answer.complete]
        if len(whole) < count:
            return f"the client got {len(whole)} whole answers{_ended(seen)}"
        first = whole[0]
        if first.status not in statuses:
            return f"answered {first.status}"
        if body is not None and bytes(first.body) != body:
            return f"answered with the body {listed([first.body])}"
        return _edited(first, has or {}, lacks, "answered")

    return judge


def bad_gateway(seen: Seen) -> str:
    """The backend's answer is refused: an error of a gateway, or an answer that cannot be taken for a whole one."""
    if seen.silent:
        return "neither answered nor closed the connection"
    if not seen.answers:
        return "" if seen.closed else "the client got no answer"
    first = seen.answers[0]
    if first.complete and first.status not in _GATEWAY:
        return f"passed on {first.status} as if it were whole{_with(first)}"
    return ""


def error_502(seen: Seen) -> str:
    """502, as the RFC asks of a proxy by name."""
    if not seen.answers:
        return f"the client got no answer{_ended(seen)}"
    return "" if seen.answers[0].status == 502 else f"answered {seen.answers[0].status}"


def cut(seen: Seen) -> str:
    """The client can tell that the answer is not whole."""
    if seen.answers and seen.answers[0].complete and seen.answers[0].status not in _GATEWAY:
        return f"passed on an answer that is cut short as if it were whole{_with(seen.answers[0])}"
    return "" if seen.answers or seen.closed else "the client got no answer"


def aborted(seen: Seen) -> str:
    """The backend can tell that the request is not whole."""
    whole = [request for request in seen.requests if request.complete]
    return f"a request cut short looks whole: {shown(whole[0].body)}" if whole else ""


def closed(seen: Seen) -> str:
    """The client's connection was closed after the answer."""
    return "" if seen.closed else "kept the connection open"


def kept(seen: Seen) -> str:
    """The client's connection serves the next request."""
    return "" if seen.same is not None and seen.same.status == 200 else "did not serve a second request"


def at_most(count: int) -> Judge:
    """The backend saw no more requests than that, whole or not."""

    def judge(seen: Seen) -> str:
        return f"sent {len(seen.requests)} requests for one" if len(seen.requests) > count else ""

    return judge


def unfinished(seen: Seen) -> str:
    """What came is taken for the beginning of a message: nobody got a whole one, and the end of bytes ended it."""
    whole = any(request.complete for request in seen.requests)
    return "" if seen.silent and seen.closed and not whole else "did not wait for the rest"


def met(seen: Seen) -> str:
    """Every step of the case found what it waited for."""
    return f"the case waited in vain: {seen.missed[0]}" if seen.missed else ""


def either(*judges: Judge) -> Judge:
    """One of them holds."""

    def judge(seen: Seen) -> str:
        wrong = [one(seen) for one in judges]
        # What another one says with more words is said once.
        apart = [one for one in dict.fromkeys(wrong) if not any(one != other and one in other for other in wrong)]
        return "" if "" in wrong else "; ".join(apart)

    return judge


def every(*judges: Judge) -> Judge:
    """All of them hold."""

    def judge(seen: Seen) -> str:
        return next((wrong for one in judges if (wrong := one(seen))), "")

    return judge


def _framed(request: Message) -> str:
    return f" (body: {request.framing}, {shown(request.body, 40)})" if request.framing != "none" else ""


def _with(answer: Message) -> str:
    return f", with the body {shown(answer.body)}" if answer.body else ""


def _told(answer: Message | None) -> str:
    return "no answer" if answer is None else str(answer.status)


def _ended(seen: Seen) -> str:
    return "; no answer came in time" if seen.silent else "; the connection was closed" if seen.closed else ""
