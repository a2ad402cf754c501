"""What a jailed agent writes, line by line, and the fact that it has ended."""

import asyncio
import logging
import traceback
from collections.abc import Callable

import attrs

from codara.adapters.agents.session.lines import CHUNK, Lines, LineTooLong, Message, heard_in
from codara.adapters.jail.jail import Jail
from codara.amount import TooMuch

_EXIT_SECONDS = 2.0
_STDERR_SHOWN = 2000
_ERROR_SHOWN = 200

_REMEDY = "its version may be too new: `codara doctor` names those that are known to work"

ENDLESS = "a line without end"
UNHEARD_BYTES = 1024 * 1024
"""So much may wait for an agent that asks and does not listen."""

log = logging.getLogger(__name__)

Heard = Callable[[bytes, Message | None], None]
"""Called with each line, in order, and the JSON object in it, if it holds one."""


@attrs.frozen
class Exit:
    """How the process ended; `broken` is what we ended it for, if that was a thing it wrote.

    `code` is None where that is not known: it did not end although it was killed, say.
    """

    code: int | None
    stderr: str
    broken: str = ""


class Output:
    """Reads a jail's stdout until its end, then waits for the jail's.

    Once the output ends, nothing of the jail is left running, unless the kernel does not let it
    end. An agent that writes what `heard` cannot take is ended.
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
            broken = await self._lines()
        except BaseException:
            await self._jail.close(grace=0)
            raise
        if not broken:
            await asyncio.wait({self._wait()}, timeout=_EXIT_SECONDS)
        await self._jail.kill("protocol" if broken else "output closed")
        code = None if self._jail.alive else await self._jail.wait()
        stderr = self._jail.stderr()[-_STDERR_SHOWN:].decode("utf-8", "replace").strip()
        await self._jail.close(grace=0)
        return Exit(code, stderr, broken)

    async def _lines(self) -> str:
        """Reads to the end; gives what was wrong with a line that made it stop before."""
        lines = Lines()
        try:
            while chunk := await self._jail.stdout.read(CHUNK):
                for line in lines.feed(chunk):
                    self._heard(line, await heard_in(line))
            if rest := lines.rest():
                self._heard(rest, await heard_in(rest))
        except LineTooLong:
            return ENDLESS
        except TooMuch as much:
            return str(much)
        except Exception as error:
            return unreadable(self._jail.jail_id, error)
        return ""

    def _wait(self) -> "asyncio.Task[int | None]":
        return asyncio.create_task(self._jail.wait())


def answer(jail: Jail, data: bytes) -> None:
    """Says something to an agent that asked, and does not wait; TooMuch if it never listens."""
    jail.stdin.write(data)
    if jail.stdin.transport.get_write_buffer_size() > UNHEARD_BYTES:
        raise TooMuch("the agent asks without end and listens to no answer")


def unreadable(who: str, error: Exception) -> str:
    """What to tell a person of an agent that wrote what cannot be read; the log hears where."""
    what = f"{type(error).__name__}: {error}"[:_ERROR_SHOWN]
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = ", ".join(f"{frame.name} in {frame.filename}:{frame.lineno}" for frame in last)
    log.warning("%s wrote what cannot be read: %s, at %s", who, what, where or "an unknown place")
    return f"the agent wrote what cannot be read ({what}); {_REMEDY}"
