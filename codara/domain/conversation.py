"""Which conversation a request belongs to, and at which point it goes on."""

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
"""So many of the newest questions without an answer may be where a session ends."""


@attrs.frozen(kw_only=True)
class Offered:
    """What a request holds: its transcript, and what tells it from others with the same one.

    `points` are those of the whole transcript, the empty one first; `said` is how many entries
    there are up to the last answer. `system` and `chat` are digests, "" where there is nothing.
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
        """What a request holds whose entries lead over these points."""
        answers = [at for at, entry in enumerate(entries, 1) if entry.role == ASSISTANT]
        said = answers[-1] if answers else 0
        return cls(entries=entries, points=points, said=said, system=system, chat=chat)

    def digests(self) -> list[str]:
        """Every digest by which a point may be found that this request goes on from."""
        wanted = (self.points[at].digest for at in self._places())
        return list(dict.fromkeys(digest for digest in wanted if digest))

    def history(self) -> str:
        """The digest of all that stands before the last question; "" where nothing does."""
        questions = [at for at, entry in enumerate(self.entries) if entry.role == USER]
        return self.points[questions[-1]].digest if questions else ""

    def tail(self) -> str:
        """The digest of the last two exchanges; "" where there are fewer."""
        return self.points[self.said].tail

    def place_of(self, point: Point) -> int | None:
        """How many entries lead to that point in this request; None if it is not on its way."""
        at = next((at for at in self._places() if same(self.points[at], point)), None)
        if at is None or at == self.said:
            return at
        if at > self.said:
            return at
        return self.said if is_cut(point) else None

    def _places(self) -> Iterable[int]:
        """Behind the last answer; before it, for any text stands for one that was cut; and behind
        each question since, where none stands for it."""
        yield self.said
        if self.said > 1:
            yield self.said - 1
        yield from range(max(self.said + 1, len(self.points) - _MOST_OPEN), len(self.points))


@attrs.frozen(kw_only=True)
class Known:
    """A point that some session of the caller has reached; `last` if it is where it ends."""

    session_id: str
    turn_id: str
    point: Point
    last: bool
    system: str
    chat: str
    order: int
    """Where its end stands in the log: the later of two equal points comes first."""


@attrs.frozen(kw_only=True)
class Proposal:
    """A point to go on from, `place` entries into what the request holds."""

    known: Known
    place: int


def is_cut(point: Point) -> bool:
    """Whether the last question of a point has no whole answer."""
    return point.digest != point.answered


def proposals(offered: Offered, known: Sequence[Known]) -> list[Proposal]:
    """The points from which the request goes on, the best one first; none if it is told anew.

    `known` are points of this caller's unnamed sessions with one of `offered.digests()`. Where
    another chat id stands, a session is not meant. With other system messages it is meant only if
    it bears the same chat id, or if no other session ever held this transcript. Any text stands for
    an answer that was cut only where nobody gave the answer that stands there; missing pictures do
    not count only where nobody showed the same ones.
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


def shortened(offered: Offered, known: Sequence[Known]) -> list[Proposal]:
    """The one session whose end the request's last two exchanges are, its beginning missing.

    `known` are points with the tail of the request. None if several sessions have come by there, or
    if the request is as long as the session: then nothing of it is missing, and it is another
    conversation. An end with a question that had no whole answer is meant only if that is asked
    again.
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


def _meant(offered: Offered, each: Known, *, alone: bool) -> bool:
    if offered.chat and each.chat and offered.chat != each.chat:
        return False
    return offered.system == each.system or _same(offered.chat, each.chat) or alone


def _closeness(offered: Offered, each: Proposal) -> tuple[bool, bool]:
    """Whether its answers are those of the request, and its pictures."""
    is_answered = each.place != offered.said or not is_cut(each.known.point)
    return is_answered, _as_shown(offered, each.known, each.place)


def _as_shown(offered: Offered, each: Known, place: int) -> bool:
    """Whether it was shown the pictures of the request; a chat may leave out its own ones."""
    shown = offered.points[place].pictures == each.point.pictures
    return shown or _same(offered.chat, each.chat)


def _as_told(offered: Offered, each: Known) -> bool:
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
