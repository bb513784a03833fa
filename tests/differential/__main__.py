"""`python -m tests.differential --minutes M [--peers nginx,haproxy,…] [--seed N]`: heads until the time is over.

Owns the rounds: a seed, a thousand connections, a thousand answers, every comparison there is. What is found is made as
small as it can be and printed; the exit code is 1 where something was. Peers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import islice
from pathlib import Path

from tests.differential import their_answers
from tests.differential.answer_chain import AnswerChain, answer_chain
from tests.differential.answer_grammar import answers
from tests.differential.chain import Chain, chain
from tests.differential.grammar import cases
from tests.differential.peers import PEERS
from tests.differential.pure import fault
from tests.differential.seeds import SEEDS, corpus
from tests.differential.sides import Sides, sides
from tests.differential.smaller import smaller
from tests.differential.tables import tables

_ROUND = 1000


class Rounds:
    """All comparisons, and what they have found."""

    def __init__(self, chains: dict[str, Chain], fronts: dict[str, AnswerChain], beside: Sides) -> None:
        self.connections = 0
        self.found = 0
        self._seeds = (*SEEDS, *corpus())
        self._chains = chains
        self._fronts = fronts
        self._beside = beside

    async def one(self, seed: int) -> None:
        """A thousand connections of one seed, through everything."""
        batch = list(islice(cases(seed, self._seeds), _ROUND))
        self.connections += len(batch)
        for data in batch:
            if said := fault(data):
                self._tell("h11", said, await smaller(data, _fault))
        for name, link in self._chains.items():
            for data, said in await link.findings(batch):
                self._tell(f"before {name}", said, await smaller(data, link.alone))
        for data, said in await self._beside.findings(batch):
            self._tell("beside", said, await smaller(data, self._beside.alone))
        await self._answers(list(islice(answers(seed), _ROUND)))

    async def _answers(self, batch: list[bytes]) -> None:
        for data in batch:
            if said := their_answers.fault(data, b"GET") or their_answers.fault(data, b"HEAD"):
                self._tell("answer, h11", said, data)
        for name, link in self._fronts.items():
            for data, said in await link.findings(batch):
                self._tell(f"answer, behind {name}", said, await smaller(data, link.one))

    def compared(self) -> str:
        """What was compared, in a line."""
        links = ", ".join(f"{link.compared} through {name}" for name, link in self._chains.items())
        fronts = ", ".join(f"{link.compared} through {name}" for name, link in self._fronts.items())
        return (
            f"{self.connections} connections by h11; requests: {links}, {self._beside.compared} side by side; "
            f"answers: {fronts}"
        )

    def _tell(self, where: str, said: str, data: bytes) -> None:
        self.found += 1
        print(f"{where}: {said}\n    {data!r}", flush=True)


async def _fault(data: bytes) -> str:
    return fault(data)


@asynccontextmanager
async def rounds(names: Sequence[str]) -> AsyncIterator[Rounds]:
    """Everything started; without the peers that are not there."""
    programs = {}
    for name in names:
        program = PEERS[name].program()
        if program is None:
            print(f"{name} is not installed: left out")
        else:
            programs[name] = program
    async with AsyncExitStack() as stack:
        room = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        chains = {}
        fronts = {}
        for name, program in {"direct": "", **programs}.items():
            before, behind = room / f"before-{name}", room / f"behind-{name}"
            before.mkdir()
            behind.mkdir()
            chains[name] = await stack.enter_async_context(chain(name, program, before))
            fronts[name] = await stack.enter_async_context(answer_chain(name, program, behind))
        yield Rounds(chains, fronts, await stack.enter_async_context(sides(programs, room)))


async def _run(names: Sequence[str], seed: int, seconds: float) -> int:
    limit = time.monotonic() + seconds
    async with rounds(names) as every:
        while True:
            await every.one(seed)
            seed += 1
            if time.monotonic() >= limit:
                break
    print(f"{every.compared()}: {every.found} findings (the next seed is {seed})")
    return 1 if every.found else 0


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.differential")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    parser.add_argument("--tables", action="store_true", help="print the accepted differences, for docs/fuzzing.md")
    given = parser.parse_args()
    if given.tables:
        print(tables())
        return 0
    names = [name for name in given.peers.split(",") if name]
    if unknown := set(names) - set(PEERS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    print(f"seed {given.seed}", flush=True)
    logging.disable(logging.CRITICAL)
    return asyncio.run(_run(names, given.seed, given.minutes * 60))


if __name__ == "__main__":
    sys.exit(main())
