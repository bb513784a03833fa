"""Listening sockets are kept by address, taken from what was handed down, shared out among workers."""

from __future__ import annotations

import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sidecar.model.address import Address
from sidecar.transport.inlets import Inlet, Inlets
from sidecar.transport.sockets import BindError, UnixFile, bind, bind_tcp

Maker = Callable[..., Inlets]
ANYWHERE = [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]


@pytest.fixture
def make() -> Iterator[Maker]:
    """Inlets that are closed after the test."""
    made: list[Inlets] = []

    def make(*handed: socket.socket, copies: int = 1, lent: bool = False) -> Inlets:
        made.append(Inlets([Inlet("before", sock, lent) for sock in handed], copies))
        return made[-1]

    yield make
    for inlets in made:
        inlets.close()


def port_of(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])


def is_open(sock: socket.socket) -> bool:
    return sock.fileno() != -1


def connects(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
        return sock.connect_ex((host, port)) == 0


def dual_stack() -> socket.socket:
    try:
        sock = socket.socket(socket.AF_INET6)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("::", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    sock.listen()
    return sock


def test_a_socket_says_where_it_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as four, socket.socket(socket.AF_UNIX) as local:
        local.bind(str(tmp_path / "s"))
        assert Inlet("web", four).where == f"127.0.0.1:{port_of(four)}"
        assert Inlet("web", local).where == f"unix:{tmp_path / 's'}"
    with dual_stack() as six:
        assert Inlet("web", six).where == f"[::]:{port_of(six)}"


def test_an_address_is_bound_once_and_answers_with_the_same_sockets_again(make: Maker) -> None:
    inlets = make()
    first = inlets.open(Address("127.0.0.1", 0))
    assert connects(port_of(first[0]))
    assert inlets.open(Address("127.0.0.1", 0)) == first


def test_what_was_handed_down_is_used_where_it_fits(make: Maker) -> None:
    sock = bind_tcp(socket.AF_INET, "127.0.0.1", 0)
    inlets = make(sock)
    assert inlets.open(Address("127.0.0.1", port_of(sock))) == (sock,)
    assert inlets.handed_unused() == ()


def test_a_socket_of_another_host_or_port_does_not_fit(make: Maker) -> None:
    fits, other_port = bind_tcp(socket.AF_INET, "127.0.0.1", 0), bind_tcp(socket.AF_INET, "127.0.0.1", 0)
    other_host = bind_tcp(socket.AF_INET, "127.0.0.2", port_of(fits))
    inlets = make(other_port, other_host, fits)
    assert inlets.open(Address("127.0.0.1", port_of(fits))) == (fits,)
    assert [inlet.sock for inlet in inlets.handed_unused()] == [other_port, other_host]


def test_nothing_fits_a_port_that_the_kernel_is_to_choose(make: Maker) -> None:
    sock = bind_tcp(socket.AF_INET, "127.0.0.1", 0)
    assert make(sock).open(Address("127.0.0.1", 0)) != (sock,)


def test_every_interface_is_both_families(make: Maker) -> None:
    handed = bind(Address("", 0))
    inlets = make(*reversed(handed))
    assert inlets.open(Address("", port_of(handed[0]))) == tuple(handed)


def test_a_family_that_was_not_handed_down_is_bound(make: Maker) -> None:
    sock = bind_tcp(socket.AF_INET, "0.0.0.0", 0)
    opened = make(sock).open(Address("", port_of(sock)))
    assert opened[0] is sock
    assert [(one.family, one.getsockname()[0]) for one in opened] == ANYWHERE[: len(opened)]


def test_a_dual_stack_socket_serves_every_interface_alone(make: Maker) -> None:
    sock = dual_stack()
    assert make(sock).open(Address("", port_of(sock))) == (sock,)


def test_a_dual_stack_socket_is_more_than_every_ipv4_interface(make: Maker) -> None:
    sock = dual_stack()
    inlets = make(sock)
    with pytest.raises(BindError, match="Address already in use"):
        inlets.open(Address("0.0.0.0", port_of(sock)))
    assert inlets.handed_unused()[0].sock is sock


def test_a_host_name_takes_what_it_resolves_to(make: Maker) -> None:
    sock = bind_tcp(socket.AF_INET, "127.0.0.1", 0)
    assert sock in make(sock).open(Address("localhost", port_of(sock)))


def test_a_unix_path_takes_the_socket_of_that_path(make: Maker, tmp_path: Path) -> None:
    address = Address(path=str(tmp_path / "s"))
    (sock,) = bind(address)
    assert make(sock).open(address) == (sock,)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(address.path))


def test_an_address_that_cannot_be_had_says_so_and_leaves_nothing_open(make: Maker) -> None:
    sock = bind_tcp(socket.AF_INET, "0.0.0.0", 0)
    try:
        taken = bind_tcp(socket.AF_INET6, "::", port_of(sock))
    except OSError:
        sock.close()
        pytest.skip("this machine has no IPv6")
    inlets = make(sock, copies=3)
    with taken, pytest.raises(BindError, match=f"cannot listen on :{port_of(sock)}: Address already in use"):
        inlets.open(Address("", port_of(sock)))
    assert [inlet.sock for inlet in inlets.listening()] == [sock], "what was handed down may be asked for again"
    assert inlets.open(Address("", port_of(sock)))[0] is sock


def test_several_workers_have_a_queue_each(make: Maker) -> None:
    opened = make(copies=3).open(Address("127.0.0.1", 0))
    assert len(opened) == 3
    assert len({port_of(sock) for sock in opened}) == 1
    assert all(sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) for sock in opened)


def test_a_second_instance_with_several_workers_is_told_that_the_port_is_taken(make: Maker) -> None:
    port = port_of(make(copies=2).open(Address("127.0.0.1", 0))[0])
    other = make(copies=2)
    with pytest.raises(BindError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
        other.open(Address("127.0.0.1", port))
    assert other.listening() == ()


def test_every_interface_has_a_group_for_each_family(make: Maker) -> None:
    opened = make(copies=2).open(Address("", 0))
    assert [(sock.family, sock.getsockname()[0]) for sock in opened] == [
        where for where in ANYWHERE[: len(opened) // 2] for _ in range(2)
    ]


def test_a_group_that_was_handed_down_is_completed(make: Maker) -> None:
    before = make(copies=2).open(Address("127.0.0.1", 0))
    opened = make(*(sock.dup() for sock in before), copies=4).open(Address("127.0.0.1", port_of(before[0])))
    assert len(opened) == 4
    assert {port_of(sock) for sock in opened} == {port_of(before[0])}


def test_a_group_larger_than_needed_is_used_whole(make: Maker) -> None:
    before = make(copies=3).open(Address("127.0.0.1", 0))
    opened = make(*(sock.dup() for sock in before)).open(Address("127.0.0.1", port_of(before[0])))
    assert len(opened) == 3, "a queue that nobody accepts from would leave its clients waiting"


def test_a_single_socket_handed_down_is_used_as_it_is(make: Maker) -> None:
    sock = bind_tcp(socket.AF_INET, "127.0.0.1", 0)
    assert make(sock, copies=4).open(Address("127.0.0.1", port_of(sock))) == (sock,)


@pytest.mark.parametrize(("sockets", "workers"), [(1, 1), (1, 3), (2, 3), (3, 3), (5, 3), (4, 1)])
def test_every_socket_has_a_worker_and_every_worker_a_socket(make: Maker, sockets: int, workers: int) -> None:
    inlets = make(copies=sockets)
    address = Address("127.0.0.1", 0)
    shares = [inlets.share(address, worker, workers) for worker in range(workers)]
    assert all(shares)
    assert {sock for share in shares for sock in share} == set(inlets.open(address))


def test_each_worker_accepts_on_every_interface(make: Maker) -> None:
    inlets = make(copies=2)
    for worker in range(2):
        share = inlets.share(Address("", 0), worker, 2)
        assert [sock.getsockname()[0] for sock in share] == [host for _, host in ANYWHERE[: len(share)]]


def test_addresses_that_are_no_longer_wanted_are_closed(make: Maker) -> None:
    inlets = make()
    stays, goes = Address("127.0.0.1", 0), Address("127.0.0.2", 0)
    kept, closed = inlets.open(stays)[0], inlets.open(goes)[0]
    inlets.keep_only([stays])
    assert is_open(kept)
    assert not is_open(closed)
    assert is_open(inlets.open(goes)[0]), "it may be wanted again"


def test_what_nobody_asked_for_is_closed_unless_it_was_lent(make: Maker) -> None:
    own, lent = bind_tcp(socket.AF_INET, "127.0.0.1", 0), bind_tcp(socket.AF_INET, "127.0.0.1", 0)
    inlets, borrowed = make(own), make(lent, lent=True)
    inlets.keep_only([])
    borrowed.keep_only([])
    assert not is_open(own)
    assert borrowed.open(Address("127.0.0.1", port_of(lent))) == (lent,)


def test_a_lent_socket_can_be_had_again_after_a_reload_without_it(make: Maker) -> None:
    lent = bind_tcp(socket.AF_INET, "127.0.0.1", 0)
    address = Address("127.0.0.1", port_of(lent))
    inlets = make(lent, lent=True)
    inlets.open(address)
    inlets.keep_only([])
    assert [inlet.sock for inlet in inlets.handed_unused()] == [lent]
    assert inlets.open(address) == (lent,)


def test_only_what_lives_on_elsewhere_is_shared(make: Maker) -> None:
    lent, handed = bind_tcp(socket.AF_INET, "127.0.0.1", 0), bind_tcp(socket.AF_INET, "127.0.0.1", 0)
    borrowed, inherited = make(lent, lent=True), make(handed)
    for inlets, sock in ((borrowed, lent), (inherited, handed)):
        inlets.open(Address("127.0.0.1", port_of(sock)))
    assert borrowed.is_shared(Address("127.0.0.1", port_of(lent)))
    assert not inherited.is_shared(Address("127.0.0.1", port_of(handed))), "its predecessor lets go of it"
    inherited.is_doubled = True
    assert inherited.is_shared(Address("127.0.0.1", port_of(handed)))


def test_a_successor_is_told_what_each_socket_is_for_and_whether_it_is_lent(make: Maker) -> None:
    lent = bind_tcp(socket.AF_INET, "127.0.0.1", 0)
    inlets = make(lent, lent=True)
    (own,) = inlets.open(Address("127.0.0.1", 0))
    assert inlets.listening() == (Inlet("public", own), Inlet("before", lent, lent=True))
    inlets.open(Address("127.0.0.1", port_of(lent)))
    assert inlets.listening()[1] == Inlet("public", lent, lent=True)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_unix_socket_s_file_follows_what_is_asked_for(make: Maker, tmp_path: Path) -> None:
    path = tmp_path / "s"
    inlets, address = make(), Address(path=str(path))
    sockets = inlets.open(address, UnixFile(0o600))
    modes = [mode_of(path)]
    for file in (UnixFile(0o660), None):
        assert inlets.open(address, file) == sockets
        modes.append(mode_of(path))
    assert modes == [0o600, 0o660, 0o660]
    path.chmod(0o640)  # an operator's hand
    inlets.open(address, UnixFile(0o660))
    assert mode_of(path) == 0o640


@pytest.mark.parametrize(("lent", "mode"), [(False, 0o600), (True, 0o666)])
def test_a_file_that_was_handed_down_is_changed_unless_it_is_lent(
    make: Maker, tmp_path: Path, lent: bool, mode: int
) -> None:
    path = tmp_path / "s"
    address = Address(path=str(path))
    make(*bind(address), lent=lent).open(address, UnixFile(0o600))
    assert mode_of(path) == mode
