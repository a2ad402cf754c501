"""What a home's threads were told to heed: codex keeps a thread's first instructions for good."""

import hashlib
from collections.abc import Awaitable, Callable

import attrs

Recall = Callable[[], Awaitable[dict[str, str]]]
Remember = Callable[[dict[str, str]], Awaitable[None]]

MOST = 1000
"""Of how many threads is known what they were told last."""

_FROM_NOW_ON = "Instructions from now on, in place of all earlier ones:\n"
_NO_LONGER = "The earlier instructions no longer hold."
_CHANGED = "+"
"""In front of the digest for a thread that had begun with other instructions."""
_ANY = "?"
"""In its place for a thread of which it is not known what it was told."""


@attrs.define
class ToldInstructions:
    """Digests of the instructions each thread was told last, kept beside the home."""

    _recall: Recall
    _remember: Remember
    _known: dict[str, str] | None = attrs.field(default=None, init=False)

    async def change(self, thread_id: str, instructions: str) -> str:
        """What a thread has to hear so that these instructions hold, and no earlier ones."""
        told = (await self._all()).get(thread_id, _digest(""))
        if told.removeprefix(_CHANGED) == _digest(instructions):
            return ""
        return f"{_FROM_NOW_ON}{instructions}" if instructions else _NO_LONGER

    async def note(self, thread_id: str, instructions: str, *, begins: bool = False) -> None:
        """The thread has heard them; of one that was never told any nothing is kept.

        `begins` says that they are those it began with.
        """
        if await self.change(thread_id, instructions):
            await self._keep(thread_id, ("" if begins else _CHANGED) + _digest(instructions))

    async def inherit(self, thread_id: str, source_id: str) -> None:
        """The thread is a copy of an earlier point of another one: it heard what that one had.

        Where that one's instructions have changed at some time, nobody knows which held then.
        """
        told = (await self._all()).get(source_id)
        if told is not None:
            await self._keep(thread_id, _ANY if told.startswith((_CHANGED, _ANY)) else told)

    async def _keep(self, thread_id: str, told: str) -> None:
        others = {each: last for each, last in (await self._all()).items() if each != thread_id}
        newest = dict(list(others.items())[1 - MOST :])
        self._known = newest | {thread_id: told}
        await self._remember(self._known)

    async def _all(self) -> dict[str, str]:
        if self._known is None:
            self._known = await self._recall()
        return self._known


def _digest(instructions: str) -> str:
    return hashlib.sha256(instructions.encode("utf-8", "replace")).hexdigest()
