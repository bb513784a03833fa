"""The set of open connections says when it has become empty."""

from __future__ import annotations

from sidecar.transport.registry import NOTHING, Registry


class Connection:
    """Leaves the registry when it is aborted."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        registry.add(self)

    def carries(self) -> int:
        return NOTHING

    def close_when_idle(self) -> None:
        self.registry.discard(self)

    def leave_websocket(self) -> None:
        """None here."""

    def end_now(self) -> int:
        self.registry.discard(self)
        return 0

    def abort(self) -> None:
        self.registry.discard(self)

    def waits(self) -> tuple[int, float] | None:
        return None

    def give_way(self) -> bool:
        return False


def test_emptiness_is_told_once_with_the_last_connection() -> None:
    registry = Registry()
    first, second = Connection(registry), Connection(registry)
    told: list[bool] = []
    registry.when_empty(lambda: told.append(True))
    first.abort()
    assert told == []
    assert len(registry) == 1
    second.abort()
    assert told == [True]
    Connection(registry).abort()
    assert told == [True]


def test_an_empty_registry_says_so_at_once() -> None:
    told: list[bool] = []
    Registry().when_empty(lambda: told.append(True))
    assert told == [True]


def test_connections_may_leave_while_they_are_gone_through() -> None:
    registry = Registry()
    for _ in range(5):
        Connection(registry)
    for connection in registry:
        connection.abort()
    assert len(registry) == 0


def test_whoever_waits_for_fewer_is_told_once_when_there_are_so_few() -> None:
    registry = Registry()
    connections = [Connection(registry) for _ in range(4)]
    told: list[str] = []
    registry.when_at_most(4, lambda: told.append("at once"))
    registry.when_at_most(2, lambda: told.append("two"))
    registry.when_empty(lambda: told.append("none"))
    connections[0].abort()
    assert told == ["at once"]
    connections[1].abort()
    assert told == ["at once", "two"]
    connections[2].abort()
    connections[3].abort()
    assert told == ["at once", "two", "none"]


def test_whoever_is_told_may_wait_again() -> None:
    registry = Registry()
    connections = [Connection(registry) for _ in range(3)]
    told: list[int] = []

    def fewer() -> None:
        told.append(len(registry))
        if len(registry):
            registry.when_at_most(len(registry) - 1, fewer)

    registry.when_at_most(2, fewer)
    for connection in connections:
        connection.abort()
    assert told == [2, 1, 0]


def test_the_idle_are_closed_and_latecomers_find_out() -> None:
    registry = Registry()
    Connection(registry)
    assert not registry.leaving
    registry.close_idle()
    assert (len(registry), registry.leaving) == (0, True)
