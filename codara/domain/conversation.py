"""Which conversation a request belongs to, and from which of its points the request goes on."""

from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from codara.domain.transcript import ASSISTANT, USER, Entry, same
from codara.events.thread import Point

NAMED: Final = "named"
REFERENCE: Final = "reference"
FOUND: Final = "found"
NEW: Final = "new"
FORKED: Final = "forked"
ASIDE: Final = "aside"


_MOST_OPEN = 64
"""Up to this many of the newest unanswered questions are tried as the end of a session."""


@attrs.frozen(kw_only=True)
class Offered:
    """What a request holds: its transcript, and what sets it apart from others with the same.

    `points` are those of the whole transcript, the empty one first. `said` is the number of entries
    up to the last answer. `system` and `chat` are digests; empty where there is nothing to digest.
    """

    entries: tuple[Entry, ...]
    points: tuple[Point, ...]
    said: int
    system: str = ""
    chat: str = ""

    @classmethod
    def of(
        cls, entries: tuple[Entry, ...], points: tuple[Point, ...], *, system: str, chat: str
    ) -> "Offered":
        """Returns what a request holds; `points` are those that its entries lead through."""
        answers = [at for at, entry in enumerate(entries, 1) if entry.role == ASSISTANT]
        said = answers[-1] if answers else 0
        return cls(entries=entries, points=points, said=said, system=system, chat=chat)

    def digests(self) -> list[str]:
        """Returns each digest by which a point can be found that this request continues."""
        wanted = (self.points[at].digest for at in self._places())
        return list(dict.fromkeys(digest for digest in wanted if digest))

    def history(self) -> str:
        """Returns the digest of all that comes before the last question; empty if nothing does."""
        questions = [at for at, entry in enumerate(self.entries) if entry.role == USER]
        return self.points[questions[-1]].digest if questions else ""

    def tail(self) -> str:
        """Returns the digest of the last two exchanges; empty if there are fewer."""
        return self.points[self.said].tail

    def place_of(self, point: Point) -> int | None:
        """Returns how many entries lead to `point`; None if this request does not pass there."""
        at = next((at for at in self._places() if same(self.points[at], point)), None)
        if at is None or at == self.said:
            return at
        if at > self.said:
            return at
        return self.said if is_cut(point) else None

    def _places(self) -> Iterable[int]:
        """Yields the places where the point may be that a request continues.

        After the last answer; before it, as any text may stand for an answer that was cut; and
        after each later question that has no answer.
        """
        yield self.said
        if self.said > 1:
            yield self.said - 1
        yield from range(max(self.said + 1, len(self.points) - _MOST_OPEN), len(self.points))


@attrs.frozen(kw_only=True)
class KnownEnd:
    """A point that some session of the caller has reached; `last` if the session ends there."""

    session_id: str
    turn_id: str
    point: Point
    last: bool
    system: str
    chat: str
    order: int
    """The position of its end in the log; of two equal points the later one is preferred."""


@attrs.frozen(kw_only=True)
class Proposal:
    """A point to continue from; `place` is how many of the request's entries lead to it."""

    known: KnownEnd
    place: int


def is_cut(point: Point) -> bool:
    """Tells whether the last question of a point has no whole answer."""
    return point.digest != point.answered


def proposals(offered: Offered, known: Sequence[KnownEnd]) -> list[Proposal]:
    """Returns the points that the request can continue, the best one first; empty if none fits.

    `known` are points of this caller's unnamed sessions with one of `offered.digests()`. A session
    with another chat id does not fit. One with other system messages fits only if it has the same
    chat id, or if no other session ever held this transcript. Any text may stand for an answer that
    was cut, but only if no point has the very answer of the request. Missing pictures are passed
    over, but only if no point was shown the very pictures of the request.
    """
    sessions = {each.session_id for each in known}
    found = [
        Proposal(known=each, place=place)
        for each in known
        if (place := offered.place_of(each.point)) is not None
        and _meant(offered, each, alone=len(sessions) == 1)
        and (place <= offered.said or _as_shown(offered, each, place))
    ]
    closest: dict[int, tuple[bool, bool]] = {}
    for each in found:
        closest[each.place] = max(
            _closeness(offered, each), closest.get(each.place, (False, False))
        )
    close = [each for each in found if _closeness(offered, each) == closest[each.place]]
    return sorted(close, key=lambda each: _rank(offered, each), reverse=True)


def shortened(offered: Offered, known: Sequence[KnownEnd]) -> list[Proposal]:
    """Returns the session that ends with the request's last two exchanges, if there is only one.

    For requests that leave out the beginning of their conversation; `known` are points with the
    request's tail. Empty if several sessions have passed such a point. Empty as well if the request
    is as long as the session: then nothing is missing, and it is another conversation. An end whose
    question had no whole answer fits only if the request asks that question again.
    """
    meant = [
        each
        for each in known
        if each.point.entries > offered.said
        and (_same(offered.chat, each.chat) or _as_told(offered, each))
    ]
    ends = [each for each in meant if each.last]
    if not ends or len({each.session_id for each in meant}) != 1:
        return []
    place = _behind_the_answers(offered, ends[0].point)
    return [] if place is None else [Proposal(known=ends[0], place=place)]


def _behind_the_answers(offered: Offered, point: Point) -> int | None:
    if not is_cut(point):
        return offered.said
    last = offered.points[-1]
    asked_again = (last.question, last.pictures) == (point.question, point.pictures)
    return len(offered.entries) if asked_again else None


def _meant(offered: Offered, each: KnownEnd, *, alone: bool) -> bool:
    if offered.chat and each.chat and offered.chat != each.chat:
        return False
    return offered.system == each.system or _same(offered.chat, each.chat) or alone


def _closeness(offered: Offered, each: Proposal) -> tuple[bool, bool]:
    """Tells whether the point's answers are those of the request, and whether its pictures are."""
    is_answered = each.place != offered.said or not is_cut(each.known.point)
    return is_answered, _as_shown(offered, each.known, each.place)


def _as_shown(offered: Offered, each: KnownEnd, place: int) -> bool:
    """Tells whether the point has the request's pictures; a known chat may leave its own out."""
    shown = offered.points[place].pictures == each.point.pictures
    return shown or _same(offered.chat, each.chat)


def _as_told(offered: Offered, each: KnownEnd) -> bool:
    elsewhere = offered.chat and each.chat and offered.chat != each.chat
    return not elsewhere and offered.system == each.system


def _same(chat: str, other: str) -> bool:
    return bool(chat) and chat == other


def _rank(offered: Offered, each: Proposal) -> tuple[int, bool, bool, bool, bool, int]:
    known = each.known
    return (
        each.place,
        known.last,
        _same(offered.chat, known.chat),
        offered.system == known.system,
        offered.points[each.place].pictures == known.point.pictures,
        known.order,
    )
