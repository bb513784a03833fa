"""A worker for tests of the crew, as a program: `python -m tests.doubles.crew_worker MODE DESCRIPTOR [WORD]`.

It says that it is ready, answers with what it knows of itself, leaves when told to, and when its supervisor is gone.
MODE `stubborn` does not leave when told; `chatty` says much and dies at once; `stillborn` ends with code 3 before it is
ready.
"""

from __future__ import annotations

import asyncio
import os
import sys

from sidecar.workers.link import Link, Message


async def live(mode: str, descriptor: int, words: list[str]) -> int:
    """One life; the exit code."""
    left: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def hear(message: Message) -> None:
        if message.body == "leave" and mode != "stubborn":
            left.set_result(0)
        message.answer((os.getpid(), words, sorted(map(int, os.listdir("/proc/self/fd")))))

    def bereaved() -> None:
        left.set_result(9)

    link = Link.of_descriptor(descriptor, asyncio.get_running_loop(), hear, bereaved)
    if mode == "chatty":
        link.tell(bytes(1 << 20))
        link.tell("last words")
        await link.flushed()
        return 1
    link.tell("ready")
    return await left


if __name__ == "__main__":
    if sys.argv[1] == "stillborn":
        sys.exit(3)
    sys.exit(asyncio.run(live(sys.argv[1], int(sys.argv[2]), sys.argv[3:])))
