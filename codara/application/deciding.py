"""The one way a command reaches the log: fold (cached), decide, append, and anew on a clash."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import attrs

from codara.domain.aggregates import Aggregate
from codara.errors import VersionClash
from codara.events.base import Append, Cause, Event, Recorded
from codara.events.payloads import SealedPayload

States = Mapping[str, Any]
Decision = Callable[[States], Mapping[str, Sequence[Event]]]


class Log(Protocol):
    """What deciding needs of the event log."""

    async def load(self, stream: str, *, since: frozenset[str] = ...) -> list[Recorded]: ...

    async def last(self, stream: str) -> Recorded | None: ...

    def queue(
        self, appends: Sequence[Append], cause: Cause, payloads: Sequence[SealedPayload] = ...
    ) -> asyncio.Future[int]: ...


@attrs.frozen
class Decided:
    """What came of a decision: the last position (None: it had nothing to say), states after it."""

    position: int | None
    states: States


@attrs.frozen
class _Folded:
    version: int
    state: Any


class Deciding:
    """Folds streams once and keeps them folded.

    The cache moves on when an append is *queued*, so that a chain of decisions on one stream
    commits in one batch; an append that fails drops what it had moved, and whoever had built on
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
        return (await self._fold([stream]))[stream].state

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
            folded = await self._fold(names, new)
            states = {name: folded[name].state for name in names}
            chosen = {stream: events for stream, events in decision(states).items() if events}
            if not chosen:
                return Decided(None, states)
            try:
                future = self._queue(folded, chosen, cause, payloads)
                position = await asyncio.shield(future)
            except VersionClash:
                if time.monotonic() > deadline:
                    raise
                new = ()
                continue
            return Decided(position, states | self._evolved(folded, chosen))

    async def _fold(self, streams: Sequence[str], new: Collection[str] = ()) -> dict[str, _Folded]:
        """All of them at one moment: nothing is awaited between reading the first and the last."""
        while missing := [each for each in streams if each not in self._cache and each not in new]:
            for stream in missing:
                loaded = await self._load(stream)
                self._cache.setdefault(stream, loaded)
        folded = {stream: self._known(stream) for stream in streams}
        while len(self._cache) > max(self._capacity, len(streams)):
            self._cache.popitem(last=False)
        return folded

    def _known(self, stream: str) -> _Folded:
        """What the cache holds, now the most recently used; nothing yet of a new stream."""
        if stream not in self._cache:
            return _Folded(0, self._aggregate_of(stream).empty)
        self._cache.move_to_end(stream)
        return self._cache[stream]

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

    def _queue(
        self,
        folded: Mapping[str, _Folded],
        chosen: Mapping[str, Sequence[Event]],
        cause: Cause,
        payloads: Sequence[SealedPayload],
    ) -> asyncio.Future[int]:
        appends = [
            Append(stream, folded[stream].version, tuple(events))
            for stream, events in chosen.items()
        ]
        future = self._log.queue(appends, cause, payloads)
        after = self._evolved(folded, chosen)
        for append in appends:
            self._cache[append.stream] = _Folded(
                append.expected + len(append.events), after[append.stream]
            )
        future.add_done_callback(partial(self._settle, tuple(chosen)))
        return future

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

    def _settle(self, streams: Sequence[str], future: "asyncio.Future[int]") -> None:
        if future.cancelled() or future.exception() is not None:
            for stream in streams:
                self._cache.pop(stream, None)
