"""Signals become calls, and only while somebody listens."""

import asyncio
import os
import signal

from sidecar.app.signals import heard


async def test_each_signal_is_heard_by_its_name() -> None:
    names: asyncio.Queue[str] = asyncio.Queue()
    with heard(names.put_nowait, (signal.SIGUSR1, signal.SIGUSR2)):
        async with asyncio.timeout(5):
            os.kill(os.getpid(), signal.SIGUSR2)
            first = await names.get()
            os.kill(os.getpid(), signal.SIGUSR1)
            second = await names.get()
    assert (first, second) == ("SIGUSR2", "SIGUSR1")


async def test_outside_the_context_the_process_has_its_own_way_again() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    with heard(lambda _name: None, (signal.SIGUSR1,)):
        assert signal.getsignal(signal.SIGUSR1) is not before
    assert signal.getsignal(signal.SIGUSR1) == before
