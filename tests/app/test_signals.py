"""Signals become calls, and only while somebody listens."""

import asyncio
import os
import signal

from sidecar.app.signals import heard


async def test_each_signal_is_heard_by_its_name() -> None:
    names: asyncio.Queue[str] = asyncio.Queue()
    before = {one: signal.getsignal(one) for one in (signal.SIGUSR1, signal.SIGUSR2)}
    try:
        with heard(names.put_nowait, (signal.SIGUSR1, signal.SIGUSR2)):
            async with asyncio.timeout(5):
                os.kill(os.getpid(), signal.SIGUSR2)
                first = await names.get()
                os.kill(os.getpid(), signal.SIGUSR1)
                second = await names.get()
    finally:
        for one, way in before.items():
            signal.signal(one, way)
    assert (first, second) == ("SIGUSR2", "SIGUSR1")


async def test_once_nobody_listens_any_more_a_signal_means_nothing() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    try:
        with heard(lambda _name: None, (signal.SIGUSR1,)):
            assert signal.getsignal(signal.SIGUSR1) is not before
        os.kill(os.getpid(), signal.SIGUSR1)
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGUSR1, before)
