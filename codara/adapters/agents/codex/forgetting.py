"""Threads that codex is to forget.

It keeps one of which there are copies, as these are made of it: such a thread is noted beside the
home, taken for lost from then on, and removed when its copies are.
"""

import os
import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs

from codara.adapters.agents.codex.causes import cause_of
from codara.adapters.agents.home.inside import opened
from codara.adapters.agents.home.removal import removed
from codara.adapters.agents.session.answers import AgentRefused
from codara.application.ports.agents import AgentTurn

Recall = Callable[[], Awaitable[dict[str, Any]]]
Remember = Callable[[dict[str, Any]], Awaitable[None]]
Delete = Callable[[str], Awaitable[Any]]
"""Has codex delete a thread; Refused if it does not."""

MOST = 10_000
"""Up to this many remaining threads are remembered; the oldest are dropped."""

_THREADS = "threads"
_THREAD_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ID_LENGTH = 36
_SNAPSHOTS = (".codex", "shell_snapshots")
_NOBODY = "00000000-0000-4000-8000-000000000000"


@attrs.define
class Forgotten:
    """The threads of a home that are forgotten but still there."""

    _recall: Recall
    _remember: Remember

    async def without(self, turn: AgentTurn) -> AgentTurn:
        """Returns the turn, with a thread that codex never had in place of a forgotten one."""
        named = turn.fork.backend_id if turn.fork is not None else turn.backend_id
        if named is None or named not in await self._all():
            return turn
        if turn.fork is not None:
            return attrs.evolve(turn, fork=attrs.evolve(turn.fork, backend_id=_NOBODY))
        return attrs.evolve(turn, backend_id=_NOBODY)

    async def add(self, thread_ids: Sequence[str], delete: Delete) -> None:
        """Has these deleted, and those that were not before, as long as any of them goes.

        Copies are younger than what they were made of, and so are their ids.
        """
        before = await self._all()
        wanted = {each for each in thread_ids if _THREAD_ID.fullmatch(each)} | set(before)
        left = sorted(wanted, reverse=True)
        while left:
            kept = [each for each in left if not await _gone(each, delete)]
            if len(kept) == len(left):
                break
            left = kept
        if set(left) != set(before):
            await self._remember({_THREADS: left[:MOST]})

    async def _all(self) -> list[str]:
        found = (await self._recall()).get(_THREADS)
        return [str(each) for each in found] if isinstance(found, list) else []


async def _gone(thread_id: str, delete: Delete) -> bool:
    try:
        await delete(thread_id)
    except AgentRefused as refused:
        return cause_of(str(refused)) == "unknown_session"
    return True


def clear(home: Path, thread_ids: Collection[str]) -> None:
    """Removes snapshots of the shell that bear the id of one of these threads. Blocks.

    A codex that ended while it made one leaves its temporary file, which it never removes.
    """
    ids = frozenset(each for each in thread_ids if _THREAD_ID.fullmatch(each))
    with suppress(OSError), opened(home, *_SNAPSHOTS) as folder:
        for name in os.listdir(folder):  # noqa: PTH208 # a path could lead elsewhere by now
            if name[:_ID_LENGTH] in ids:
                removed(folder, name)
