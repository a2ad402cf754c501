"""Finding: the points at which a request may go on, without waiting for the read models."""

from collections import deque
from collections.abc import Iterable, Sequence

import attrs

from codara.application.ports.views import KnownPoint, LiveFeed, Points
from codara.domain.conversation import NAMED, Known
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
    order: int
    last: bool = True

    @classmethod
    def of(cls, state: Session, turn_id: str, position: int) -> "Reached":
        """The standing of a session whose turn ended at that position."""
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
            order=position,
        )


@attrs.frozen(kw_only=True)
class Found:
    """A point with the thread that reached it."""

    known: Known
    thread: Thread


class Finder:
    """Looks for points in the read model, and among the ends that it has not folded yet."""

    def __init__(self, points: Points, feed: LiveFeed) -> None:
        self._points = points
        self._feed = feed
        self._recent: deque[Reached] = deque()

    def note(self, reached: Reached) -> None:
        """Remembers an end until the read models have folded it."""
        folded = self._feed.position()
        while self._recent and self._recent[0].order <= folded:
            self._recent.popleft()
        self._recent.append(reached)

    async def of_digests(
        self, digests: Sequence[str], *, caller: str, workspace_id: str, provider: str
    ) -> list[Found]:
        """Points of this caller's unnamed sessions with one of these digests."""
        recent = tuple(self._recent)
        stored = await self._points.of_digests(
            digests, caller=caller, workspace_id=workspace_id, provider=provider
        )
        mine = _of_caller(recent, caller, workspace_id, provider)
        wanted = frozenset(digests)
        return _joined(stored, [each for each in mine if _digest(each) in wanted], recent)

    async def of_tail(
        self, tail: str, *, caller: str, workspace_id: str, provider: str
    ) -> list[Found]:
        """Ends of this caller's unnamed sessions whose last two exchanges have this digest."""
        recent = tuple(self._recent)
        stored = await self._points.of_tail(
            tail, caller=caller, workspace_id=workspace_id, provider=provider
        )
        mine = _of_caller(recent, caller, workspace_id, provider)
        ends = [each for each in mine if each.thread.point.tail == tail]
        return [each for each in _joined(stored, ends, recent) if each.known.last]

    async def of_session(
        self, session_id: str, digests: Sequence[str], *, provider: str
    ) -> list[Found]:
        """Points of one session with one of these digests."""
        recent = tuple(each for each in self._recent if each.session_id == session_id)
        stored = await self._points.of_session(session_id, digests, provider=provider)
        wanted = frozenset(digests)
        of_provider = (each for each in recent if each.provider == provider)
        return _joined(stored, [each for each in of_provider if _digest(each) in wanted], recent)


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


def _joined(
    stored: Sequence[KnownPoint], unfolded: Sequence[KnownPoint], recent: Sequence[Reached]
) -> list[Found]:
    """Each point once; a session ends where its newest end is, folded or not."""
    ends = {each.session_id: each.order for each in recent}
    points = {each.turn_id: each for each in (*stored, *unfolded) if each.thread.backend_id}
    return [_found(each, ends.get(each.session_id, 0)) for each in points.values()]


def _found(each: KnownPoint, newest: int) -> Found:
    known = Known(
        session_id=each.session_id,
        turn_id=each.turn_id,
        point=each.thread.point,
        last=each.last and each.order >= newest,
        system=each.system,
        chat=each.chat,
        order=each.order,
    )
    return Found(known=known, thread=each.thread)
