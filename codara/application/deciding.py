"""The way of every command to the log: fold (cached), decide, append, and again on a clash."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

import attrs

from codara.domain.aggregates import Aggregate
from codara.errors import VersionClash
from codara.events.base import Append, Cause, Event, Recorded
from codara.events.store.payloads import SealedPayload

States = Mapping[str, Any]
Decision = Callable[[States], Mapping[str, Sequence[Event]]]


class Log(Protocol):
    """The parts of the event log that deciding uses."""

    async def load(self, stream: str, *, since: frozenset[str] = ...) -> list[Recorded]: ...

    async def last(self, stream: str) -> Recorded | None: ...

    def queue(
        self,
        appends: Sequence[Append],
        cause: Cause,
        payloads: Sequence[SealedPayload] = ...,
        *,
        linger: bool = ...,
    ) -> asyncio.Future[int]: ...


@attrs.frozen
class Decided:
    """What came of a decision: its last position (None: nothing appended), and the states after."""

    position: int | None
    states: States


@attrs.frozen
class Proposed:
    """A decision whose facts are queued. `durable` is done, with their last position, once written.

    `durable` is None if nothing is to be written. Await it through `asyncio.shield`: cancelling it
    would take the result from everybody else who waits.
    """

    durable: asyncio.Future[int] | None
    states: States


@attrs.frozen
class _Folded:
    """A stream as it will be once `durable` is done; if that is None, as it is."""

    version: int
    state: Any
    durable: asyncio.Future[int] | None = None

    @property
    def lost(self) -> bool:
        """Tells whether the append that led to this state has failed."""
        durable = self.durable
        if durable is None or not durable.done():
            return False
        return durable.cancelled() or durable.exception() is not None


class Deciding:
    """Folds streams once and keeps the states.

    The cache moves on when an append is *queued*, so that a chain of decisions on one stream
    commits in one batch. If an append fails, the states built on it are dropped, and the decisions
    that used them are made again. The cache is exact as long as nothing else writes the log;
    appends of other writers show as clashes.
    """

    def __init__(
        self,
        log: Log,
        aggregate_of: Callable[[str], Aggregate],
        *,
        capacity: int = 20_000,
        retry_seconds: float = 5.0,
    ) -> None:
        self._log = log
        self._aggregate_of = aggregate_of
        self._capacity = capacity
        self._retry_seconds = retry_seconds
        self._cache: OrderedDict[str, _Folded] = OrderedDict()

    async def state(self, stream: str) -> Any:
        """Returns the folded state of the stream, with the appends that are still queued."""
        held = self._held(stream)
        if held is None:
            held = (await self._fold([stream]))[stream]
        return held.state

    async def decide(
        self,
        streams: Iterable[str],
        decision: Decision,
        cause: Cause,
        payloads: Sequence[SealedPayload] = (),
        *,
        new: Collection[str] = (),
    ) -> Decided:
        """Appends what `decision` makes of the states of `streams`, all or nothing.

        `decision` must be pure and may run more than once; what it raises is passed on.
        VersionClash if every try within `retry_seconds` lost to another writer. Cancelling the
        caller does not cancel the append.

        `new` names streams that should not exist yet: they are not looked for in the log. If one
        exists after all, that is a clash like any other.
        """
        names = list(streams)
        deadline = time.monotonic() + self._retry_seconds
        while True:
            proposed = await self._propose(names, decision, cause, payloads, new=new, linger=False)
            if proposed.durable is None:
                return Decided(None, proposed.states)
            try:
                position = await asyncio.shield(proposed.durable)
            except VersionClash:
                if time.monotonic() > deadline:
                    raise
                new = ()
                continue
            return Decided(position, proposed.states)

    async def decide_on(
        self, stream: str, decision: Callable[[Any], Sequence[Event]], cause: Cause
    ) -> int | None:
        """Appends what `decision` makes of one stream's state; see `decide`.

        Returns the position of the last event, None if the decision had nothing to say.
        """
        decided = await self.decide(
            (stream,), lambda states: {stream: decision(states[stream])}, cause
        )
        return decided.position

    async def decide_durably(
        self, stream: str, decision: Callable[[Any], Sequence[Event]], cause: Cause
    ) -> Decided:
        """Like `decide`, for one stream; returns once all that its state rests on is written.

        A decision that has nothing to say may rest on facts of others that are still queued:
        who acts on their state waits here, and gets the error of the append that failed.
        """
        decided = await self.decide(
            (stream,), lambda states: {stream: decision(states[stream])}, cause
        )
        held = self._held(stream)
        if decided.position is None and held is not None and held.durable is not None:
            await asyncio.shield(held.durable)
        return decided

    async def note(self, stream: str, events: Sequence[Event], cause: Cause) -> int | None:
        """Appends facts that need no decision: they are true whatever the stream says."""
        return await self.decide_on(stream, lambda _: events, cause)

    async def propose(
        self,
        streams: Sequence[str],
        decision: Decision,
        cause: Cause,
        payloads: Sequence[SealedPayload] = (),
        *,
        new: Collection[str] = (),
        linger: bool = False,
    ) -> Proposed:
        """Like `decide`, but once, and without waiting for the disk.

        With `linger` another decision must follow at once: both share one transaction. If this
        append fails, those that build on it fail as well.
        """
        return await self._propose(streams, decision, cause, payloads, new=new, linger=linger)

    async def _propose(
        self,
        streams: Sequence[str],
        decision: Decision,
        cause: Cause,
        payloads: Sequence[SealedPayload],
        *,
        new: Collection[str],
        linger: bool,
    ) -> Proposed:
        folded = await self._fold(streams, new)
        states = {name: folded[name].state for name in streams}
        chosen = {stream: events for stream, events in decision(states).items() if events}
        if not chosen:
            return Proposed(None, states)
        after = self._evolved(folded, chosen)
        appends = [
            Append(stream, folded[stream].version, tuple(events))
            for stream, events in chosen.items()
        ]
        durable = self._log.queue(appends, cause, payloads, linger=linger)
        self._move_on(appends, after, durable)
        return Proposed(durable, states | after)

    async def _fold(self, streams: Sequence[str], new: Collection[str] = ()) -> dict[str, _Folded]:
        """Returns all states as of one moment: nothing is awaited between first and last."""
        folded = self._at_hand(streams, new)
        while missing := [stream for stream in streams if stream not in folded]:
            for stream in missing:
                loaded = await self._load(stream)
                if self._held(stream) is None:
                    self._cache[stream] = loaded
            folded = self._at_hand(streams, new)
        while len(self._cache) > max(self._capacity, len(streams)):
            self._cache.popitem(last=False)
        return folded

    def _at_hand(self, streams: Sequence[str], new: Collection[str]) -> dict[str, _Folded]:
        """Returns the states of those streams that need not be looked for in the log."""
        folded: dict[str, _Folded] = {}
        for stream in streams:
            held = self._held(stream)
            if held is not None:
                folded[stream] = held
            elif stream in new:
                folded[stream] = self._nothing_of(stream)
        return folded

    def _held(self, stream: str) -> _Folded | None:
        """Returns the cached state, marked as just used; None if it is missing or lost."""
        held = self._cache.get(stream)
        if held is None or held.lost:
            return None
        self._cache.move_to_end(stream)
        return held

    def _nothing_of(self, stream: str) -> _Folded:
        return _Folded(0, self._aggregate_of(stream).empty)

    async def _load(self, stream: str) -> _Folded:
        aggregate = self._aggregate_of(stream)
        if aggregate.last_only:
            last = await self._log.last(stream)
            recorded = [] if last is None else [last]
        else:
            recorded = await self._log.load(stream, since=aggregate.closing)
        state = aggregate.empty
        for item in recorded:
            state = aggregate.evolve(state, item.event)
        return _Folded(recorded[-1].version if recorded else 0, state)

    def _move_on(
        self, appends: Sequence[Append], after: States, durable: asyncio.Future[int]
    ) -> None:
        for append in appends:
            version = append.expected + len(append.events)
            self._cache[append.stream] = _Folded(version, after[append.stream], durable)

    def _evolved(
        self, folded: Mapping[str, _Folded], chosen: Mapping[str, Sequence[Event]]
    ) -> dict[str, Any]:
        states: dict[str, Any] = {}
        for stream, events in chosen.items():
            evolve = self._aggregate_of(stream).evolve
            state = folded[stream].state
            for event in events:
                state = evolve(state, event)
            states[stream] = state
        return states
