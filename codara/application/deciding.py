"""The one way a command reaches the log: fold (cached), decide, append, and anew on a clash."""

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
    """What deciding needs of the event log."""

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
    """What came of a decision: the last position (None: it had nothing to say), states after it."""

    position: int | None
    states: States


@attrs.frozen
class Proposed:
    """A decision whose facts are queued: `durable` holds their last position once they are there.

    `durable` is None if there was nothing to say. Who awaits it shields it: cancelled, it would
    no longer tell the others.
    """

    durable: asyncio.Future[int] | None
    states: States


@attrs.frozen
class _Folded:
    """A stream as it will be once `durable` is done; None: as it is."""

    version: int
    state: Any
    durable: asyncio.Future[int] | None = None

    @property
    def lost(self) -> bool:
        """The append that led here came to nothing."""
        durable = self.durable
        if durable is None or not durable.done():
            return False
        return durable.cancelled() or durable.exception() is not None


class Deciding:
    """Folds streams once and keeps them folded.

    The cache moves on when an append is *queued*, so that a chain of decisions on one stream
    commits in one batch; what an append that fails had moved is lost, and whoever had built on
    it decides anew. Exact as long as this is the only writer of the log; with others, their
    appends show as clashes.
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
        """The stream's folded state, queued appends included."""
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

        `decision` is pure and may run more than once. What it raises is the answer; VersionClash
        is raised only after `retry_seconds` of losing every race. A cancelled caller does not
        cancel the append.

        `new` are streams that nobody should have written to yet: they are not looked for in the
        log. One that is there all the same is a clash like any other.
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
        """As `decide`, once, and without waiting for the disk.

        With `linger` another decision follows at once, and both share one transaction. Should this
        one's append fail, those that build on it fail as well.
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
        """All of them at one moment: nothing is awaited between reading the first and the last."""
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
        """Those that need not be looked for in the log."""
        folded: dict[str, _Folded] = {}
        for stream in streams:
            held = self._held(stream)
            if held is not None:
                folded[stream] = held
            elif stream in new:
                folded[stream] = self._nothing_of(stream)
        return folded

    def _held(self, stream: str) -> _Folded | None:
        """What the cache holds, now the most recently used; None where that was lost."""
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
