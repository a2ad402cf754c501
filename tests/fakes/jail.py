"""A jail without a process: what is fed to it is what an agent wrote."""

import asyncio
from pathlib import Path
from typing import Any

from codara.adapters.agents.home.programs import Program
from codara.adapters.agents.session.launched import Launched


class Box:
    """As much of a `Jail` as those need who talk with an agent.

    One that is `stuck` does not end, whatever is done to it.
    """

    jailed = True
    jail_id = "jail_of_nobody"
    inner_pid = 0

    def __init__(self, *, stuck: bool = False) -> None:
        self.stdout = asyncio.StreamReader()
        self.stdin = Deaf()
        self.killings: list[str] = []
        self.ended = asyncio.Event()
        self._stuck = stuck

    @property
    def launched(self) -> Launched:
        """It as a session gets it; nothing that is lent goes anywhere."""
        program, nowhere = Program(path=Path("/nowhere/agent"), folders=()), Deaf()
        return Launched(program=program, jail=self, broker=nowhere)  # type: ignore[arg-type]

    @property
    def alive(self) -> bool:
        return not self.ended.is_set()

    def write(self, *lines: bytes) -> None:
        """What the agent writes, and its end."""
        self.stdout.feed_data(b"".join(line + b"\n" for line in lines))
        self._end()

    def stderr(self) -> bytes:
        return b""

    async def wait(self) -> int:
        await self.ended.wait()
        return 0

    async def kill(self, reason: str) -> None:
        self.killings.append(reason)
        if not self._stuck:
            self._end()

    async def close(self, grace: float = 2.0) -> None:
        await self.kill("closed")

    def _end(self) -> None:
        self.stdout.feed_eof()
        self.ended.set()


class Deaf:
    """Takes what is said to an agent and what it is lent."""

    def write(self, _: bytes) -> None: ...

    async def drain(self) -> None: ...

    def close(self) -> None: ...

    def lend(self, _: Any) -> None: ...

    def withdraw(self) -> None: ...
