"""The last good answer of each GET, kept for the time when there is none.

Owns the table by target and Vary (RFC 9111 sections 4 and 4.1), its memory bound, and the collecting of bodies that are
on their way. What may be kept and served is decided in `cacheability.py`. This is no cache: nothing is looked up while
the upstream answers, so freshness is never asked. Knows no clock: monotonic `now` is an argument.
"""

from __future__ import annotations

from collections.abc import Mapping

from sidecar.policies.cacheability import (
    FORGOTTEN,
    KEPT,
    NO_LENGTH,
    Answer,
    Question,
    age_limit,
    initial_age,
    may_be_served_for,
    meaning,
    target_key,
)

# What an answer costs beside its bytes: objects, table entries, the list of variants. 0.4 KiB measured on CPython 3.11,
# doubled for tables that grow; without it a million empty answers would be free.
OVERHEAD_BYTES = 1024
# Of one target. A client that invents Accept-Language values pays with its own older ones, and a look-up stays short.
MAX_VARIANTS = 16
# What a short bytes object and the reference to it cost: an upstream may name thousands of fields in Vary.
OBJECT_BYTES = 48


class Stored:
    """An answer that was kept: `status`, the `fields` to replay and the whole `body`. Age and framing are added by
    whoever sends it."""

    __slots__ = (
        "body", "cost", "fields", "initial_age", "key", "limit", "received_at", "scheme", "status", "values", "vary"
    )  # fmt: skip

    def __init__(self, question: Question, answer: Answer, age: float, limit: float, now: float) -> None:
        vary = answer.vary or ()
        self.key = question.key
        self.scheme = question.scheme
        self.vary = vary
        self.values = tuple([question.facts.header(name) for name in vary])
        self.status = answer.status
        self.fields = answer.fields
        self.body = b""
        self.received_at = now
        self.initial_age = age
        self.limit = limit  # seconds of age beyond which the upstream itself forbids it; infinity when it does not
        self.cost = OVERHEAD_BYTES + len(self.key) + len(self.fields)
        for name, value in zip(vary, self.values, strict=True):
            self.cost += 2 * OBJECT_BYTES + len(name) + len(value or b"")

    def age(self, now: float) -> float:
        """Seconds since its origin made it (RFC 9111 section 4.2.3); the Age field is their whole part."""
        return self.initial_age + now - self.received_at

    def fits(self, question: Question) -> bool:
        """Whether the fields that chose it are the same in `question` (RFC 9111 section 4.1)."""
        if question.scheme != self.scheme:
            return False
        facts = question.facts
        return all(facts.header(name) == value for name, value in zip(self.vary, self.values, strict=True))


class Capture:
    """An answer on its way to the client, collected meanwhile. Ended once, by `commit` or by `abandon`."""

    __slots__ = ("_body", "_length", "_store", "cost", "entry")

    def __init__(self, store: StaleStore, entry: Stored, length: int) -> None:
        self._store: StaleStore | None = store  # None once it is given up or ended
        self._length = length
        self._body = bytearray()  # and not a list: of an answer that comes byte by byte each would cost forty
        self.entry = entry
        self.cost = entry.cost

    def add(self, data: bytes) -> None:
        """A piece of the body, copied. One that is too much ends the collecting, not the answer."""
        store = self._store
        if store is not None and store.makes_room(self, len(data)):
            self._body += data

    def commit(self, now: float) -> bool:
        """The answer is complete: it is the last good one from here on. Tells whether it was kept."""
        store = self._store
        if store is None:
            return False
        # RFC 9111 section 3.3: one that is shorter than it said is not complete, whoever says so.
        if self._length not in (NO_LENGTH, len(self._body)):
            self.abandon()
            return False
        self.entry.body = bytes(self._body)
        self.entry.cost = self.cost
        self.end()
        return store.keep(self.entry, now)

    def abandon(self) -> None:
        """The answer broke off, or nobody wants it: nothing of it is kept. Any number of times."""
        if self._store is not None:
            self.end()

    def end(self) -> None:
        """For the store: give back what it holds."""
        store, self._store = self._store, None
        self._body = bytearray()
        if store is not None:
            store.release(self)


class StaleStore:
    """The last good answers of one route, by target and by the fields that they vary on, within `max_bytes`.

    Answers on their way in count too and never take more than half of it, so slow downloads cannot push out
    everything that is kept; one answer takes at most a quarter. The longest unused goes first.
    """

    __slots__ = ("_captures", "_capturing", "_kept", "_recent", "_variants", "max_age", "max_bytes")

    def __init__(self, max_bytes: int, max_age: float) -> None:
        """`max_age` in seconds: the oldest answer served, its age on arrival included."""
        self.max_bytes = max_bytes
        self.max_age = max_age
        self._kept = 0
        self._capturing = 0
        self._captures: dict[bytes, dict[Capture, None]] = {}
        self._variants: dict[bytes, list[Stored]] = {}
        self._recent: dict[Stored, None] = {}  # in the order of use, the longest unused first

    @property
    def held_bytes(self) -> int:
        """What is kept and what is being collected; never more than `max_bytes`."""
        return self._kept + self._capturing

    def begin(self, question: Question, answer: Answer, requested_at: float, now: float, wall: float) -> Capture | None:
        """Collect this answer if it may be kept. `requested_at` and `now` are when the request was sent and when the
        head of the answer arrived; `wall` is `now` in seconds since 1970.

        A later answer that says that its target is gone, or not to be kept, is the last word: older ones are forgotten.
        """
        meant = meaning(question, answer)
        if meant == FORGOTTEN:
            self.forget(question.key)
        if meant != KEPT:
            return None
        entry = Stored(question, answer, initial_age(answer, requested_at, now, wall), age_limit(answer, wall), now)
        if entry.initial_age > entry.limit:
            self.forget(question.key)
            return None
        if entry.initial_age > self.max_age or entry.cost + max(0, answer.length) > self.max_bytes // 4:
            return None
        capture = Capture(self, entry, answer.length)
        capture.cost = 0
        self._captures.setdefault(entry.key, {})[capture] = None
        return capture if self.makes_room(capture, entry.cost) else None

    def find(self, question: Question, now: float) -> Stored | None:
        """The last good answer to the same question, where it may be served stale and is not too old."""
        if not may_be_served_for(question):
            return None
        last: Stored | None = None
        for entry in self._variants.get(question.key, ()):
            if entry.fits(question) and (last is None or entry.received_at >= last.received_at):
                last = entry
        # One that is too old stays where it is: it still says that those before it are not to be served.
        if last is None or last.age(now) > min(self.max_age, last.limit):
            return None
        self._recent[last] = self._recent.pop(last)
        return last

    def invalidate(self, authority: bytes, target: bytes) -> None:
        """What was kept of this target is no longer true: an unsafe request to it succeeded (RFC 9111 section 4.4)."""
        self.forget(target_key(authority, target))

    def resize(self, max_bytes: int, max_age: float) -> None:
        """Other bounds from now on. What fits in them stays."""
        self.max_bytes = max_bytes
        self.max_age = max_age
        if self._capturing > max_bytes // 2:
            for capture in [capture for captures in self._captures.values() for capture in captures]:
                capture.end()
        self._shrink()

    def snapshot(self, now: float) -> Mapping[str, object]:
        """What operators see: how many answers, the bytes they hold, and the age of the oldest in seconds."""
        return {
            "answers": len(self._recent),
            "bytes": self._kept,
            "max_bytes": self.max_bytes,
            "oldest_age": max((entry.age(now) for entry in self._recent), default=None),
        }

    def makes_room(self, capture: Capture, amount: int) -> bool:
        """For captures: `amount` more bytes, or none any more."""
        if capture.cost + amount > self.max_bytes // 4 or self._capturing + amount > self.max_bytes // 2:
            capture.end()
            return False
        capture.cost += amount
        self._capturing += amount
        self._shrink()
        return True

    def release(self, capture: Capture) -> None:
        """For captures: one has ended."""
        self._capturing -= capture.cost
        captures = self._captures[capture.entry.key]
        del captures[capture]
        if not captures:
            del self._captures[capture.entry.key]

    def keep(self, entry: Stored, now: float) -> bool:
        """For captures: a complete answer."""
        if entry.age(now) > min(self.max_age, entry.limit):
            return False
        variants = self._variants.setdefault(entry.key, [])
        for other in variants:
            if (other.scheme, other.vary, other.values) == (entry.scheme, entry.vary, entry.values):
                if other.received_at > entry.received_at:
                    return False  # it was overtaken by a shorter one
                self._drop(other)
                break
        else:
            if len(variants) == MAX_VARIANTS:
                self._drop(variants[0])
        # Dropping the last variant dropped the list with it.
        self._variants.setdefault(entry.key, variants).append(entry)
        self._recent[entry] = None
        self._kept += entry.cost
        self._shrink()
        return True

    def forget(self, key: bytes) -> None:
        """Everything of one target, what is still being collected too: it was asked for before."""
        for capture in list(self._captures.get(key, ())):
            capture.end()
        for entry in list(self._variants.get(key, ())):
            self._drop(entry)

    def _drop(self, entry: Stored) -> None:
        self._kept -= entry.cost
        del self._recent[entry]
        variants = self._variants[entry.key]
        variants.remove(entry)
        if not variants:
            del self._variants[entry.key]

    def _shrink(self) -> None:
        while self.held_bytes > self.max_bytes and self._recent:
            self._drop(next(iter(self._recent)))
