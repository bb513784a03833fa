"""What a case is: bytes to send, how the backend answers, and a judgement of what was then seen on both sides.

Owns the vocabulary of the tables in `cases/`. May not know how a case is run, nor any proxy.

In the bytes of a case `~` stands for its key, a name no other case has: targets hold it, so that every message seen
anywhere can be told to belong to its case. A target that ends in `/hidden` is a request that nobody made: where it is
understood as one, a reader was desynchronised.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from tests.conformance.reader import Message

HOST = b"Host: a\r\n"
HIDDEN = b"GET /~/hidden HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


class Level(Enum):
    """How binding a duty is."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    SECURITY = "security"


MUST, SHOULD, SECURITY = Level.MUST, Level.SHOULD, Level.SECURITY


class Do(Enum):
    """What a side does between bytes."""

    AWAIT_REQUEST = "wait until the backend has the head of the request, or an answer comes"
    AWAIT_ANSWER = "wait until a final answer is complete"
    AWAIT_INTERIM = "wait until an interim answer has come, or a final one"
    AWAIT_BODY = "wait until a part of an answer's body has come"
    AWAIT_BYTES = "wait until bytes have come through the tunnel"
    AWAIT_GONE = "wait until the backend's connection is gone; where it stays, our patience passes"
    GO = "let the backend go on"
    HALF_CLOSE = "send FIN"
    LEAVE = "close"
    # of the backend
    AWAIT_GO = "wait until the client lets it go on"
    READ = "read the request's body"
    CLOSE = "close the connection"
    RESET = "reset the connection"
    ECHO = "send back what comes until the end"


Step = bytes | Do


@dataclass
class Seen:
    """Everything that happened in a case."""

    key: bytes
    expected: int = 1
    """Final answers that a conforming proxy sends at most."""
    answers: list[Message] = field(default_factory=list)
    interim: list[Message] = field(default_factory=list)
    tunnel: bytes = b""
    received: bytes = b""
    """All that the client got on its connection."""
    requests: list[Message] = field(default_factory=list)
    """What the backend understood, without the canaries."""
    connections: list[bytes] = field(default_factory=list)
    """All that the backend got, by connection."""
    faults: list[str] = field(default_factory=list)
    """What a strict reader objects to, in what the proxy sent to either side."""
    missed: list[str] = field(default_factory=list)
    """Steps whose event did not come."""
    closed: bool = False
    silent: bool = False
    """No answer came in time, and no end of the connection either."""
    same: Message | None = None
    """The answer to a canary on the same connection; None when the connection was closed."""
    new: Message | None = None
    """The answer to a canary on a new connection."""

    def path(self, suffix: bytes = b"") -> bytes:
        """The target `/~` with what follows it."""
        return b"/" + self.key + suffix


Judge = Callable[[Seen], str]
"""What is wrong, empty when nothing is."""


@dataclass(frozen=True)
class Case:
    """One duty of an intermediary, and how it is asked for."""

    name: str
    clause: str
    level: Level
    duty: str
    send: tuple[Step, ...]
    judge: Judge
    answer: tuple[Step, ...] | None = None
    """The backend's, to the request for `/~` exactly, once its body has been read; None: 200, naming the target."""
    early: bool = False
    """The backend answers when it has the head, and reads the body only where `answer` says so."""
    answers: int = 1
    """How many final answers are waited for."""
    methods: tuple[bytes, ...] = ()
    """Of the requests in order, for an answer to HEAD has no body; GET where it says nothing."""
    warm: bool = False
    """Whether a request goes first, so that there is a connection to be used again."""
    left: bool = False
    """Whether the backend closes that connection before the case begins."""
    canary: bool = True
    """Whether a canary follows on the same connection where it stays open."""

    @property
    def topic(self) -> str:
        """The first part of the name."""
        return self.name.partition("/")[0]


def get(fields: bytes = b"", target: bytes = b"/~", method: bytes = b"GET") -> bytes:
    """A request without a body."""
    return method + b" " + target + b" HTTP/1.1\r\n" + HOST + fields + b"\r\n"


def post(fields: bytes, data: bytes = b"") -> bytes:
    """A POST; its framing is in `fields`."""
    return b"POST /~ HTTP/1.1\r\n" + HOST + fields + b"\r\n" + data


def chunks(data: bytes, tail: bytes = b"") -> bytes:
    """A POST with these bytes as its chunked body, and what follows it."""
    return post(CHUNKED, data + tail)


def ok(fields: bytes = b"", data: bytes = b"", status: bytes = b"200 OK") -> bytes:
    """A backend's answer; its framing is in `fields`."""
    return b"HTTP/1.1 " + status + b"\r\n" + fields + b"\r\n" + data


def length(data: bytes) -> bytes:
    """The Content-Length line of a body."""
    return b"Content-Length: %d\r\n" % len(data)


def span(data: bytes) -> int:
    """How long these bytes are when the key has been put in."""
    return len(with_key(data, b"k000"))


def with_key(data: bytes, key: bytes) -> bytes:
    """The bytes as they are sent."""
    return data.replace(b"~", key)
