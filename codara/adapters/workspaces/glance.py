"""A glance at a small workspace: whether it still is what the last snapshot found."""

from threading import Event
from typing import NoReturn

import attrs

from codara.adapters.workspaces.known import Directory
from codara.adapters.workspaces.walker import Walk, WalkLimits

MOST_FILES = 200
SECONDS = 0.005

_UNSTOPPED = Event()
"""It is over before anybody could stop it."""


class _Differs(Exception):
    """There is something that the last snapshot did not see."""


class _Nothing:
    """A store that takes nothing."""

    def put(self, kind: bytes, data: bytes) -> NoReturn:
        raise _Differs

    def put_tree(self, entries: object) -> NoReturn:
        raise _Differs


class _Glance(Walk):
    """A walk that ends at the first difference and reads no file."""

    def _fill_each(self, frame: object, now: int) -> NoReturn:
        raise _Differs


def bounds(limits: WalkLimits) -> WalkLimits:
    """How far a glance goes: some tenths of a millisecond for a folder in the machine's memory.

    Therefore it needs no thread of its own.
    """
    return attrs.evolve(
        limits,
        max_files=min(MOST_FILES, limits.max_files),
        seconds=min(SECONDS, limits.seconds),
    )


def unchanged(root: int, known: Directory, limits: WalkLimits) -> Walk | None:
    """The walk over `root`, which is closed, if it found exactly what is `known`; else None.

    It gives up beyond `limits`, which are `bounds`.
    """
    walk = _Glance(_Nothing(), limits, _UNSTOPPED)
    try:
        same = walk.take(root, known) is known
    except _Differs:
        return None
    return walk if same and not walk.partial else None
