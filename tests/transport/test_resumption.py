"""What is kept of TLS sessions with an endpoint: the newest that can be come back with."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import Any, cast

from sidecar.transport.resumption import Resumption


@dataclass(eq=False)
class Session:
    """A session, as far as it matters here."""

    has_ticket: bool = True


class Connected:
    """The TLS of a connection; its ticket comes when it comes."""

    def __init__(self, session: Session | None = None) -> None:
        self.session = session


def known(resumption: Resumption) -> Any:
    return resumption.session()


def followed(resumption: Resumption, session: Session | None = None) -> Connected:
    made = Connected(session)
    resumption.follow(cast("Any", made))
    return made


def test_there_is_nothing_to_begin_with_at_first() -> None:
    assert known(Resumption()) is None


def test_a_ticket_that_came_after_the_handshake_is_used_while_its_connection_lives() -> None:
    resumption = Resumption()
    connected = followed(resumption)
    assert known(resumption) is None
    connected.session = Session(has_ticket=False)
    assert known(resumption) is None
    connected.session = Session()
    assert known(resumption) is connected.session


def test_what_a_connection_had_at_its_end_is_kept_and_the_connection_is_not() -> None:
    resumption = Resumption()
    connected = followed(resumption, Session())
    resumption.keep(cast("Any", connected))
    session = connected.session
    del connected
    gc.collect()
    assert known(resumption) is session


def test_a_session_without_a_ticket_takes_nothing_from_one_that_has_it() -> None:
    resumption = Resumption()
    first = followed(resumption, Session())
    assert known(resumption) is first.session
    second = followed(resumption, Session(has_ticket=False))
    resumption.keep(cast("Any", second))
    assert known(resumption) is first.session


def test_after_a_failure_the_next_handshake_is_a_whole_one() -> None:
    resumption = Resumption()
    connected = followed(resumption, Session())
    assert known(resumption) is connected.session
    resumption.forget()
    assert known(resumption) is None
