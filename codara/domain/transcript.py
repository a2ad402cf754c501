"""The transcript of a conversation, as digests that tell what is equal and reveal no text."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

import attrs

from codara.events.thread import Point

Message = tuple[str, str]
"""Role and text, as a client sends them."""

DigestOf = Callable[[str], str]
"""Returns a digest under the user's own secret: it tells equal texts, and nothing else."""

USER, ASSISTANT = "user", "assistant"

_REASONING = re.compile(r'<think>|<details type="reasoning"[^>]{0,200}>', re.IGNORECASE)
_ENDS = {
    "<t": re.compile("</think>", re.IGNORECASE),
    "<d": re.compile("</details>", re.IGNORECASE),
}


@attrs.frozen
class Entry:
    """A user's message, or all that was answered before the next one; white space does not count.

    `at` is the index of its last message in the request; `pictures` is a digest of its pictures.
    """

    role: str
    text: str
    at: int = 0
    pictures: str = ""


def entries_of(messages: Iterable[Message]) -> tuple[Entry, ...]:
    """Returns the user's messages and the answers, in their order.

    Neighbouring answers become one entry. Answers without text, which call tools, and messages of
    other roles are left out.
    """
    counted = (
        (role, text if role == USER else normal(without_reasoning(text)), at)
        for at, (role, text) in enumerate(messages)
        if role in (USER, ASSISTANT)
    )
    found: list[Entry] = []
    for role, run in groupby((each for each in counted if each[0] == USER or each[1]), _role):
        said = list(run)
        if role == USER:
            found += [Entry(USER, normal(text), at) for _, text, at in said]
        else:
            found.append(Entry(ASSISTANT, " ".join(text for _, text, _ in said), said[-1][2]))
    return tuple(found)


def _role(counted: tuple[str, str, int]) -> str:
    return counted[0]


def normal(text: str) -> str:
    """Returns the text in Unicode's composed form (NFC), trimmed, each white space as one space."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def without_reasoning(text: str) -> str:
    """Returns an answer without the blocks in which chat programs keep the agent's thoughts."""
    if "<" not in text:
        return text
    kept, start = list[str](), 0
    while opened := _REASONING.search(text, start):
        closed = _ENDS[opened[0][:2].lower()].search(text, opened.end())
        if closed is None:
            break
        kept.append(text[start : opened.start()])
        start = closed.end()
    return "".join([*kept, text[start:]])


def same(point: Point, other: Point) -> bool:
    """Tells whether both points have the same transcript; pictures may be missing from one of them.

    Programs that send a history again may leave its pictures out. Two different sets of pictures
    are two transcripts.
    """
    pictures = {point.pictures, other.pictures} - {""}
    return point.digest == other.digest and len(pictures) < 2


def advance(point: Point, entries: Iterable[Entry], digest_of: DigestOf) -> Point:
    """Returns the point that a conversation reaches with these entries."""
    for entry in entries:
        point = _step(point, entry, digest_of)
    return point


def answered(point: Point, answer: str, digest_of: DigestOf) -> Point:
    """Returns the point after an answer; an answer without text is kept as an empty one."""
    said = normal(without_reasoning(answer))
    if said:
        return _step(point, Entry(ASSISTANT, said), digest_of)
    return attrs.evolve(point, answered=point.digest, question="")


def points_of(entries: Sequence[Entry], digest_of: DigestOf) -> tuple[Point, ...]:
    """Returns the points of a whole transcript: before its first entry, and after each."""
    points = [Point()]
    for entry in entries:
        points.append(_step(points[-1], entry, digest_of))
    return tuple(points)


def _step(point: Point, entry: Entry, digest_of: DigestOf) -> Point:
    digest = digest_of(f"{point.digest}\0{entry.role}\0{entry.text}")
    if entry.role == USER:
        shown = f"{point.pictures}\0{entry.pictures}"
        return attrs.evolve(
            point,
            digest=digest,
            entries=point.entries + 1,
            question=digest_of(f"{point.question}\0{entry.text}"),
            pictures=digest_of(shown) if entry.pictures else point.pictures,
        )
    exchange = digest_of(f"{point.question}\1{entry.text}")
    return Point(
        digest=digest,
        entries=point.entries + 1,
        answered=digest,
        exchange=exchange,
        tail=digest_of(f"{point.exchange}\2{exchange}") if point.exchange else "",
        pictures=point.pictures,
    )
