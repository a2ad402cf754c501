"""A turn in memory: who listens, what was heard so far, how to stop it."""

import asyncio
import time
from collections.abc import Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import attrs

from codara.application.turns.broadcast import Broadcast
from codara.application.turns.commands import RunTurn, Started, TurnResult
from codara.application.turns.places import Wanted
from codara.application.turns.prompt import Prompt
from codara.application.turns.seat import Seat
from codara.domain.workspace import Workspace
from codara.errors import CodaraError, Conflict, VersionClash
from codara.events.base import Cause
from codara.events.session import AccountChosen, TurnRequested, TurnStarted, Waited
from codara.events.thread import Thread
from codara.events.vocabulary import CancelCause

T = TypeVar("T")


class Stopped(Exception):
    """The turn's work was cancelled."""


class NotStarted(Exception):
    """The *started* events could not be written; `reason` says why."""

    def __init__(self, reason: CodaraError | VersionClash) -> None:
        super().__init__(str(reason))
        self.reason = reason


@attrs.frozen(kw_only=True)
class AskedTurn:
    """The turn as it was requested: where, in which session, with what its agent hears."""

    place: Workspace
    seat: Seat
    chat: str
    """The digest of the chat id that its request bears."""
    history: str
    """The digest of what stands before the last question of the request."""
    standing: Thread
    """The session's thread before this turn: it stays where the turn never reaches its agent."""
    prompt: Prompt
    requested: TurnRequested
    """The fact that says so."""

    @property
    def turn_id(self) -> str:
        return self.requested.turn_id

    @property
    def session_id(self) -> str:
        return self.requested.session_id

    @property
    def workspace_id(self) -> str:
        return self.place.workspace_id

    @property
    def folder(self) -> Path:
        """The workspace's folder."""
        return Path(self.place.folder)


@attrs.frozen(kw_only=True)
class RunningState:
    """What was taken when the turn started."""

    baseline: str
    partial: tuple[str, ...]
    choice: AccountChosen
    leases: tuple[str, ...]
    until: datetime

    @classmethod
    def of(cls, started: TurnStarted, partial: tuple[str, ...] = ()) -> "RunningState":
        """Returns what the fact says was taken."""
        return cls(
            baseline=started.baseline,
            partial=partial,
            choice=started.account_chosen,
            leases=started.leases,
            until=started.until,
        )


@attrs.define(kw_only=True, eq=False)
class Run:
    """One turn from its request to its end."""

    command: RunTurn
    asked: AskedTurn
    requested: asyncio.Future[int]
    """Done once the request is on the disk, or failed with why it is not."""
    wanted: Wanted
    """The place that the turn holds, until its carrier gives it back."""
    waited: Waited | None
    grace: float
    began: float
    """When its request came, on the machine's monotonic clock."""
    broadcast: Broadcast = attrs.field(factory=Broadcast)
    running: RunningState | None = None
    starting: asyncio.Future[int] | None = None
    """Done once it is on the disk that the turn has started, or failed with why it is not."""
    started_at: float = 0.0
    """On the machine's monotonic clock."""
    cancel_cause: CancelCause | None = None
    cancelled_by: Cause | None = None
    listeners: int = 0
    joined: int = 0
    """How many listeners there have been in all."""
    timings: dict[str, float] = attrs.field(factory=dict)
    work: asyncio.Task[Any] | None = None
    _leaving: asyncio.TimerHandle | None = None
    _started: asyncio.Future[Started] = attrs.field(
        factory=lambda: asyncio.get_running_loop().create_future()
    )
    _ended: asyncio.Future[TurnResult] = attrs.field(
        factory=lambda: asyncio.get_running_loop().create_future()
    )

    @property
    def cause(self) -> Cause:
        """Returns the cause of the turn's facts: the request, or what cancelled the turn."""
        by, command = self.cancelled_by, self.command
        return Cause(
            actor=by.actor if by else command.caller.actor,
            correlation_id=command.trace_id,
            causation_id=(by.causation_id if by else None) or command.request_id,
        )

    @property
    def was_heard(self) -> bool:
        """Whether anybody has listened to it yet: its client may just not have come."""
        return self.joined > 0

    @property
    def over(self) -> bool:
        return self._ended.done()

    async def recorded(self) -> None:
        """Returns once the request is on the disk; raises why it never will be."""
        try:
            await asyncio.shield(self.requested)
        except VersionClash as clash:
            raise Conflict("The session has changed meanwhile. Try again.") from clash

    def mark(self, phase: str, since: float) -> None:
        """Notes how many milliseconds a phase took, to the microsecond."""
        self.timings[phase] = int((time.monotonic() - since) * 1_000_000) / 1000

    def begin(self, running: RunningState, starting: asyncio.Future[int], since: float) -> None:
        """The turn has everything it needs; once that is on the disk, those who wait go on."""
        self.running, self.starting = running, starting
        starting.add_done_callback(lambda _: self._on_disk(starting, since))

    def _on_disk(self, starting: asyncio.Future[int], since: float) -> None:
        if starting.cancelled() or starting.exception() or self._started.done():
            return
        self.mark("start", since)
        self.started_at = time.monotonic()
        started = Started(position=starting.result(), thread=self.asked.seat.kind)
        self._started.set_result(started)

    async def permitted(self) -> None:
        """Returns once it is on the disk that the turn has started; NotStarted if it never will."""
        if self.starting is None:
            raise RuntimeError("a turn is permitted once it is to start")
        try:
            await asyncio.shield(self.starting)
        except (CodaraError, VersionClash) as reason:
            raise NotStarted(reason) from reason

    def end(self, result: TurnResult | CodaraError) -> None:
        """The turn is over; everyone who listens gets its result or its error."""
        self.broadcast.close()
        if self._leaving:
            self._leaving.cancel()
        for future in (self._started, self._ended):
            if future.done():
                continue
            if isinstance(result, CodaraError):
                future.set_exception(result)
                future.exception()
            elif future is self._ended:
                self._ended.set_result(result)

    def cancel(self, why: CancelCause, by: Cause) -> None:
        """Stops the work; the task that carries the turn records its end."""
        if self.cancel_cause is None and not self.over:
            self.cancel_cause, self.cancelled_by = why, by
            self.stop()

    def stop(self) -> None:
        """Ends what is being done for the turn at the moment."""
        if self.work:
            self.work.cancel()

    async def interruptible(self, work: Coroutine[Any, Any, T]) -> T:
        """Does `work` so that `cancel` can stop it; Stopped if it did, with the work undone."""
        if self.cancel_cause is not None:
            work.close()
            raise Stopped
        task = asyncio.create_task(work)
        self.work = task
        try:
            await asyncio.wait({task})
            if task.cancelled():
                raise Stopped
            return task.result()
        finally:
            task.cancel()
            self.work = None

    def join(self) -> None:
        """One listener more."""
        self.listeners += 1
        self.joined += 1
        if self._leaving:
            self._leaving.cancel()
            self._leaving = None

    def leave(self) -> None:
        """One listener less; the last one's leaving ends the turn after the grace."""
        self.listeners -= 1
        if self.listeners == 0 and not self.over:
            loop = asyncio.get_running_loop()
            self._leaving = loop.call_later(self.grace, self.cancel, "client_gone", self.cause)

    async def started(self) -> Started:
        return await asyncio.shield(self._started)

    async def ends(self, seconds: float) -> bool:
        """Waits that long for the end, whatever it is; whether the turn is over."""
        await asyncio.wait({self._ended}, timeout=seconds)
        return self.over

    async def ended(self) -> TurnResult:
        return await asyncio.shield(self._ended)
