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


@attrs.define
class Told:
    """Digests of the instructions each thread was told last, kept beside the home."""

    _recall: Recall
    _remember: Remember
    _known: dict[str, str] | None = attrs.field(default=None, init=False)

    async def change(self, thread_id: str, instructions: str) -> str:
        """What a thread has to hear so that these instructions hold, and no earlier ones."""
        told = (await self._all()).get(thread_id, _digest(""))
        if told == _digest(instructions):
            return ""
        return f"{_FROM_NOW_ON}{instructions}" if instructions else _NO_LONGER

    async def note(self, thread_id: str, instructions: str) -> None:
        """The thread has heard them; of one that was never told any nothing is kept."""
        if not await self.change(thread_id, instructions):
            return
        others = {each: told for each, told in (await self._all()).items() if each != thread_id}
        newest = dict(list(others.items())[1 - MOST :])
        self._known = newest | {thread_id: _digest(instructions)}
        await self._remember(self._known)

    async def _all(self) -> dict[str, str]:
        if self._known is None:
            self._known = await self._recall()
        return self._known


def _digest(instructions: str) -> str:
    return hashlib.sha256(instructions.encode("utf-8", "replace")).hexdigest()
