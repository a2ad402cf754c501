"""Finding: the points at which a request may go on, without waiting for the read models."""

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime

import attrs

from codara.application.ports.views import KnownPoint, LiveFeed, Points
from codara.clock import Clock
from codara.domain.conversation import NAMED, KnownEnd
from codara.domain.session import Session
from codara.events.thread import Thread


@attrs.frozen(kw_only=True)
class Reached:
    """Where a session stands since the end of one of its turns, known before it is folded."""

    session_id: str
    turn_id: str
    caller: str
    workspace_id: str
    provider: str
    findable: bool
    thread: Thread
    system: str
    chat: str
    expires_at: datetime | None
    order: int
    last: bool = True

    @classmethod
    def of(cls, state: Session, turn_id: str, position: int) -> "Reached":
        """Returns the standing of a session whose turn ended at that position."""
        return cls(
            session_id=state.session_id,
            turn_id=turn_id,
            caller=state.caller,
            workspace_id=state.workspace_id,
            provider=state.provider,
            findable=state.kept and state.origin != NAMED,
            thread=state.thread,
            system=state.system,
            chat=state.chat,
            expires_at=state.expires_at,
            order=position,
        )


@attrs.frozen(kw_only=True)
class Found:
    """A point with the thread that reached it."""

    known: KnownEnd
    thread: Thread


class Finder:
    """Looks for points in the read model, and among the ends that it has not folded yet."""

    def __init__(self, points: Points, feed: LiveFeed, clock: Clock) -> None:
        self._points = points
        self._feed = feed
        self._clock = clock
        self._recent: deque[Reached] = deque()
        self._cleared: dict[str, int] = {}

    def note(self, reached: Reached) -> None:
        """Remembers an end until the read models have folded it."""
        self._forget_what_is_folded()
        self._recent.append(reached)

    def clear(self, session_id: str, position: int) -> None:
        """Takes the points of a session out of the search: at this position it was reset."""
        self._forget_what_is_folded()
        self._cleared[session_id] = position

    def _forget_what_is_folded(self) -> None:
        folded = self._feed.position()
        while self._recent and self._recent[0].order <= folded:
            self._recent.popleft()
        for session_id in [each for each, at in self._cleared.items() if at <= folded]:
            del self._cleared[session_id]

    def _unfolded(self) -> tuple[Reached, ...]:
        self._forget_what_is_folded()
        now = self._clock()
        return tuple(
            each for each in self._recent if each.expires_at is None or each.expires_at > now
        )

    def _joined(
        self,
        stored: Sequence[KnownPoint],
        unfolded: Sequence[KnownPoint],
        recent: Sequence[Reached],
    ) -> list[Found]:
        """Each point once; a session ends where its newest end is, folded or not.

        A stored point may be without a thread: its session was set back.
        """
        ends = {each.session_id: each.order for each in recent}
        points = {
            each.turn_id: each
            for each in (*stored, *(each for each in unfolded if each.thread.backend_id))
            if each.order > self._cleared.get(each.session_id, 0)
        }
        return [_found(each, ends.get(each.session_id, 0)) for each in points.values()]

    async def of_digests(
        self, digests: Sequence[str], *, caller: str, workspace_id: str, provider: str
    ) -> list[Found]:
        """Points of this caller's unnamed sessions with one of these digests."""
        recent = self._unfolded()
        stored = await self._points.of_digests(
            digests, caller=caller, workspace_id=workspace_id, provider=provider
        )
        mine = _of_caller(recent, caller, workspace_id, provider)
        wanted = frozenset(digests)
        return self._joined(stored, [each for each in mine if _digest(each) in wanted], recent)

    async def of_tail(
        self, tail: str, *, caller: str, workspace_id: str, provider: str
    ) -> list[Found]:
        """Points of this caller's unnamed sessions whose last two exchanges have this digest."""
        recent = self._unfolded()
        stored = await self._points.of_tail(
            tail, caller=caller, workspace_id=workspace_id, provider=provider
        )
        mine = _of_caller(recent, caller, workspace_id, provider)
        passed = [each for each in mine if each.thread.point.tail == tail]
        return self._joined(stored, passed, recent)

    async def of_session(
        self, session_id: str, digests: Sequence[str], *, provider: str
    ) -> list[Found]:
        """Points of one session with one of these digests."""
        recent = tuple(each for each in self._unfolded() if each.session_id == session_id)
        stored = await self._points.of_session(session_id, digests, provider=provider)
        wanted = frozenset(digests)
        of_provider = (each for each in recent if each.provider == provider)
        return self._joined(
            stored, [each for each in of_provider if _digest(each) in wanted], recent
        )


def _of_caller(
    recent: Iterable[Reached], caller: str, workspace_id: str, provider: str
) -> list[Reached]:
    wanted = (caller, workspace_id, provider)
    return [
        each
        for each in recent
        if each.findable and (each.caller, each.workspace_id, each.provider) == wanted
    ]


def _digest(each: Reached) -> str:
    return each.thread.point.digest


def _found(each: KnownPoint, newest: int) -> Found:
    known = KnownEnd(
        session_id=each.session_id,
        turn_id=each.turn_id,
        point=each.thread.point,
        last=each.last and each.order >= newest,
        system=each.system,
        chat=each.chat,
        order=each.order,
    )
    return Found(known=known, thread=each.thread)
