"""The line in which turns wait for what they need: in memory, fair to users, holding nothing."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import count

import attrs

from codara.application.turns.places import ASIDES, HeldPlaces, Lack, Wanted
from codara.clock import Clock
from codara.errors import (
    CodaraError,
    ConcurrencyLimit,
    Overloaded,
    WorkspaceBusy,
)

_SOON = 1.0
"""Seconds after which to try again: nobody knows when a turn will end."""


@attrs.frozen
class Entered:
    """Tells how many seconds a turn waited, and for what at the last; None if it went at once."""

    waited: float
    lack: Lack | None


_AT_ONCE = Entered(0.0, None)


@attrs.frozen(kw_only=True)
class Waiter:
    """Shows a turn in the line, for those who ask; `position` 1 came first of those who wait."""

    wanted: Wanted
    lack: Lack
    since: datetime
    position: int


@attrs.define(kw_only=True, eq=False)
class _Waiting:
    """A turn in the line; `number` says in which order they came."""

    wanted: Wanted
    lack: Lack
    since: datetime
    began: float
    number: int
    answer: asyncio.Future[Entered | CodaraError]


class Line:
    """Admits turns when everything they need is free, and lets them wait until then.

    A turn that needs something busy keeps nobody else back. When several
    could go, the user who was served longest ago is next, and of one user's turns the first that
    came. Those who want one workspace take turns by user for it as well.
    """

    def __init__(
        self, *, max_concurrency: int, queue_limit: int, clock: Clock, aside_limit: int = ASIDES
    ) -> None:
        self._places = HeldPlaces(max_concurrency, aside_limit)
        self._limit = queue_limit
        self._limit_of_user = max(1, queue_limit // 4)
        self._clock = clock
        self._line: list[_Waiting] = []
        self._numbers = count(1)
        self._served: dict[str | None, dict[str, int]] = {None: {}}
        self._returned = asyncio.Event()

    async def enter(self, wanted: Wanted, until: float, *, refuse: bool = False) -> Entered:
        """Takes everything the turn needs, waiting until `until` (the event loop's time).

        Then WorkspaceBusy, ConcurrencyLimit or Overloaded, by what is still lacking;
        at once with `refuse`, or if too many wait already. Refused or cancelled, the turn holds
        nothing. What is free is taken without suspending.
        """
        if entered := self.enter_now(wanted):
            return entered
        waiting = self._line_up(wanted, refuse=refuse)
        timer = waiting.answer.get_loop().call_at(until, self._time_out, waiting)
        try:
            answer = await waiting.answer
        except BaseException:
            self._withdraw(waiting)
            raise
        finally:
            timer.cancel()
        if isinstance(answer, CodaraError):
            raise answer
        return answer

    def enter_now(self, wanted: Wanted) -> Entered | None:
        """Takes everything the turn needs if all of it is free; None, and nothing taken, if not."""
        if self._knows(wanted.turn_id):
            raise RuntimeError(f"turn {wanted.turn_id} has entered already")
        self._keep_to_limit_of(wanted)
        if self._places.lacking(wanted):
            return None
        self._take(wanted)
        self._admit()  # nobody can go, but somebody may lack something else now
        return _AT_ONCE

    def leave(self, wanted: Wanted) -> None:
        """Gives back what the turn holds, if it holds anything, to those who wait for it."""
        if not self._places.give_back(wanted.turn_id):
            return
        self._admit()
        self._forget(wanted.workspace_id)
        self.returned()

    def number_of(self, wanted: Wanted) -> int:
        """Tells which of its user's places the turn has, from 0; only while it has one."""
        return self._places.number_of(wanted)

    def waiting(self) -> Sequence[Waiter]:
        """Lists who waits, in the order in which they came."""
        return [
            Waiter(wanted=each.wanted, lack=each.lack, since=each.since, position=position)
            for position, each in enumerate(self._line, 1)
        ]

    def holder_of_workspace(self, name: str) -> str | None:
        """Finds the id of the turn that holds the workspace."""
        return self._places.holder_of_workspace(name)

    def returned(self) -> None:
        """Tells those who wait for an account to look again: something has been given back."""
        self._returned.set()
        self._returned = asyncio.Event()

    async def something_returns(self, until: float) -> bool:
        """Waits until something has been given back; False once `until` has come."""
        try:
            async with asyncio.timeout_at(until):
                await self._returned.wait()
        except TimeoutError:
            return False
        return True

    def _knows(self, turn_id: str) -> bool:
        in_line = any(each.wanted.turn_id == turn_id for each in self._line)
        return in_line or self._places.holds(turn_id)

    def _keep_to_limit_of(self, wanted: Wanted) -> None:
        """A user's limit may have changed; the latest word holds for all who wait, first come."""
        limit = wanted.user_limit
        outdated = [
            each
            for each in self._line
            if each.wanted.user_id == wanted.user_id and each.wanted.user_limit != limit
        ]
        for each in outdated:
            each.wanted = attrs.evolve(each.wanted, user_limit=limit)
        if outdated:
            self._admit()

    def _line_up(self, wanted: Wanted, *, refuse: bool) -> _Waiting:
        lack = self._places.lacking(wanted)
        if lack is None:
            raise RuntimeError("a turn that lacks nothing does not wait")
        if refuse:
            raise _refusal(wanted, lack)
        self._refuse_if_full(wanted)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(
            wanted=wanted,
            lack=lack,
            since=self._clock(),
            began=loop.time(),
            number=next(self._numbers),
            answer=loop.create_future(),
        )
        self._line.append(waiting)
        return waiting

    def _refuse_if_full(self, wanted: Wanted) -> None:
        of_user = sum(each.wanted.user_id == wanted.user_id for each in self._line)
        if of_user >= self._limit_of_user:
            raise ConcurrencyLimit(
                f"As many of your requests wait as may at the same time ({of_user}). "
                "Let one of them begin, or cancel one.",
                retry_after=_SOON,
            )
        if len(self._line) >= self._limit:
            raise Overloaded("The gateway's queue is full. Try again shortly.", retry_after=_SOON)

    def _admit(self) -> None:
        """Admits all that can go; afterwards each in the line lacks what it says it lacks."""
        while ready := self._ready():
            chosen = min(ready, key=self._order_in(None))
            self._line.remove(chosen)
            self._take(chosen.wanted)
            waited = chosen.answer.get_loop().time() - chosen.began
            chosen.answer.set_result(Entered(waited, chosen.lack))

    def _ready(self) -> list[_Waiting]:
        """Those who lack nothing; of those who want one workspace only the next for it."""
        ready: dict[str | int, list[_Waiting]] = {}
        for each in self._line:
            lack = self._places.lacking(each.wanted)
            if lack is not None:
                each.lack = lack
            elif not each.answer.done():  # cancelled, and about to leave the line
                ready.setdefault(each.wanted.workspace_id or each.number, []).append(each)
        return [
            min(rivals, key=self._order_in(rivals[0].wanted.workspace_id))
            for rivals in ready.values()
        ]

    def _order_in(self, workspace_id: str | None) -> Callable[[_Waiting], tuple[int, int]]:
        """The user served longest ago, there or (None) anywhere, is next; then who came first."""
        served = self._served.get(workspace_id, {})
        return lambda waiting: (served.get(waiting.wanted.user_id, 0), waiting.number)

    def _take(self, wanted: Wanted) -> None:
        self._places.take(wanted)
        number = next(self._numbers)
        for place in {None, wanted.workspace_id}:
            self._served.setdefault(place, {})[wanted.user_id] = number

    def _time_out(self, waiting: _Waiting) -> None:
        if not waiting.answer.done():
            self._drop(waiting)
            waiting.answer.set_result(_refusal(waiting.wanted, waiting.lack, timed_out=True))

    def _withdraw(self, waiting: _Waiting) -> None:
        if waiting in self._line:
            self._drop(waiting)
        else:
            self.leave(waiting.wanted)

    def _drop(self, waiting: _Waiting) -> None:
        self._line.remove(waiting)
        self._forget(waiting.wanted.workspace_id)

    def _forget(self, workspace_id: str | None) -> None:
        """Who was served when does not matter where nobody waits, but for those who are there."""
        if not self._line:
            served = self._served[None]
            self._served[None] = {user_id: served[user_id] for user_id in self._places.users()}
        if workspace_id is None or self._places.holder_of_workspace(workspace_id):
            return
        if not any(each.wanted.workspace_id == workspace_id for each in self._line):
            self._served.pop(workspace_id, None)


def _refusal(wanted: Wanted, lack: Lack, *, timed_out: bool = False) -> CodaraError:
    waited = " This request waited for it until the queue's time-out." if timed_out else ""
    match lack.what:
        case "workspace":
            return WorkspaceBusy(
                f"Workspace {wanted.workspace_id} is held by task {lack.behind}.{waited} "
                "Wait for that task to end, or use another workspace.",
                retry_after=_SOON,
            )
        case "user_limit":
            most = "asides at once as you may" if wanted.exempt else "tasks at once as you may"
            number = "" if wanted.exempt else f" ({wanted.user_limit})"
            return ConcurrencyLimit(
                f"You run as many {most}{number}; the oldest is task {lack.behind}.{waited} "
                "Wait for one to end or cancel it.",
                retry_after=_SOON,
            )
        case "gateway":
            return Overloaded(
                f"The gateway runs as many tasks as it may.{waited} Try again shortly.",
                retry_after=_SOON,
            )
