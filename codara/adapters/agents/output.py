"""What a jailed agent writes, line by line, and the fact that it has ended."""

import asyncio
from collections.abc import Callable

import attrs

from codara.adapters.agents.lines import CHUNK, Lines, LineTooLong, Message, message_of
from codara.adapters.jail.jail import Jail

_PARSED_IN_THREAD = 256 * 1024
_EXIT_SECONDS = 2.0
_STDERR_SHOWN = 2000

Heard = Callable[[bytes, Message | None], None]
"""Called with each line, in order, and the JSON object in it, if it holds one."""


@attrs.frozen
class Exit:
    """How the process ended; `too_long` when that was for a line without end."""

    code: int | None
    stderr: str
    too_long: bool


class Output:
    """Reads a jail's stdout until its end, then waits for the jail's.

    Once the output ends, nothing of the jail is left running.
    """

    def __init__(self, jail: Jail, heard: Heard) -> None:
        self._jail = jail
        self._heard = heard
        self._task = asyncio.create_task(self._read(), name=f"output of {jail.jail_id}")

    @property
    def alive(self) -> bool:
        return not self._task.done()

    async def ended(self) -> Exit:
        """Waits for the end; cancelling the wait does no harm."""
        return await asyncio.shield(self._task)

    def when_ended(self, call: Callable[[], None]) -> None:
        self._task.add_done_callback(lambda _: call())

    async def _read(self) -> Exit:
        try:
            too_long = await self._lines()
        except BaseException:
            await self._jail.close(grace=0)
            raise
        if not too_long:
            await asyncio.wait({self._wait()}, timeout=_EXIT_SECONDS)
        await self._jail.kill("protocol" if too_long else "output closed")
        code = await self._jail.wait()
        stderr = self._jail.stderr()[-_STDERR_SHOWN:].decode("utf-8", "replace").strip()
        await self._jail.close()
        return Exit(code, stderr, too_long)

    async def _lines(self) -> bool:
        lines = Lines()
        try:
            while chunk := await self._jail.stdout.read(CHUNK):
                for line in lines.feed(chunk):
                    await self._take(line)
            if lines.rest():
                await self._take(lines.rest())
        except LineTooLong:
            return True
        return False

    async def _take(self, line: bytes) -> None:
        if len(line) > _PARSED_IN_THREAD:
            self._heard(line, await asyncio.to_thread(message_of, line))
        else:
            self._heard(line, message_of(line))

    def _wait(self) -> "asyncio.Task[int | None]":
        return asyncio.create_task(self._jail.wait())
