"""A process that is started here and is to outlive us, as somebody else's child.

A service manager hears of the end of its own children only: of a main process that it has not started, nor inherited,
systemd says that it will "most likely not notice when it exits", and kills it where it should wait for its drain. So a
process stands in between, a copy of this one that does nothing: once it leaves, the kernel gives its child to the
service manager, and until then it passes on how the child ended.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import NoReturn

_MOST_DESCRIPTORS = 1 << 20
_SIGNALLED = 128


class Launch:
    """`pid` is the process; `ended` becomes readable when it ends while it is ours.

    :raises OSError: it cannot be started."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        with ExitStack() as opened:
            told, telling = _pipe(opened)
            leave, self._staying = _pipe(opened)
            with warnings.catch_warnings():
                # Other threads' locks may be held in the copy: it takes none of them, and ends without tidying up.
                warnings.simplefilter("ignore", DeprecationWarning)
                self._between = os.fork()
            if not self._between:
                os.close(self._staying)
                _stand_between(command, environment, telling, leave)
            opened.pop_all()
        os.close(telling)
        os.close(leave)
        with open(told, "rb") as words:
            word = words.read().decode()
        if not word.isdecimal():
            self.let_go()
            raise OSError(word or "the process that was to start it has ended")
        self.pid = int(word)
        try:
            self.ended = os.pidfd_open(self._between)
        except OSError:
            self.let_go()  # nobody would do that later
            raise

    def let_go(self) -> int:
        """From now on it is not our child. Its exit code where it has ended, as a shell tells it."""
        if self._staying < 0:
            return 0
        os.close(self._staying)
        self._staying = -1
        return os.waitstatus_to_exitcode(os.waitpid(self._between, 0)[1])


def _pipe(opened: ExitStack) -> tuple[int, int]:
    ends = os.pipe()
    for end in ends:
        opened.callback(os.close, end)
    return ends


def _stand_between(command: Sequence[str], environment: Mapping[str, str], telling: int, leave: int) -> NoReturn:
    code = 1
    with suppress(BaseException):
        # A signal to the whole group reaches this copy too, and would be told to our loop a second time: "end now".
        signal.set_wakeup_fd(-1)
        try:
            null = subprocess.DEVNULL
            process = subprocess.Popen(command, stdin=null, env=environment)  # noqa: S603 - ours  # nosec B603
            os.write(telling, str(process.pid).encode())
        except OSError as error:
            os.write(telling, str(error).encode())
            os._exit(code)
        # What this copy holds open would not end for those at its other end.
        os.dup2(leave, 0)
        os.closerange(1, _MOST_DESCRIPTORS)
        ends = select.poll()
        ends.register(0, select.POLLIN)
        ends.register(os.pidfd_open(process.pid), select.POLLIN)
        code = 0
        if any(descriptor for descriptor, _ in ends.poll()):
            code = process.wait()
    os._exit(code if code >= 0 else _SIGNALLED - code)
