"""History: which part of a request the agent has not heard yet, and how it is worded."""

import hashlib
from collections.abc import Iterable, Sequence

import attrs

from codara.domain.conversation import is_cut
from codara.domain.transcript import ASSISTANT, USER, DigestOf, Entry, Message, advance, same
from codara.events.thread import Point

_MOST_NAMED = 20
_MOST_CHARACTERS = 200
_INSTRUCTING = frozenset({"system", "developer"})
_OPENING = (
    "This is the conversation so far, oldest message first. A line like the next one names who "
    "is speaking. "
)
_ANSWER = "Answer the last message."
_GO_ON = "The last message is the beginning of your own answer: go on with it from its end."
CUT = "(Your last answer was cut off before its end.)"
CHANGED_UNKNOWN = "(Files of the workspace may have changed since the last answer.)"
GO_ON = "Go on with your last answer from its end."


@attrs.frozen(kw_only=True)
class Unheard:
    """What a thread has not heard of a request: all entries from `place` on.

    `cut`: the last question that it heard has no whole answer. `again`: it has heard everything,
    and is asked the last question again.
    """

    place: int
    cut: bool = False
    again: bool = False


def unheard_without_answers(point: Point, entries: Sequence[Entry], digest_of: DigestOf) -> Unheard:
    """Returns what is new in a request that holds no answer.

    That is everything, except what was asked since the thread's last answer. For a named session,
    whose client may send its newest message alone.
    """
    if not is_cut(point):
        return Unheard(place=0)
    heard = Point(digest=point.answered)
    for place, entry in enumerate(entries, 1):
        heard = advance(heard, [entry], digest_of)
        if heard.digest == point.digest:
            return _from(place, entries, cut=True)
    return Unheard(place=0, cut=True)


def unheard_after(
    point: Point, entries: Sequence[Entry], points: Sequence[Point]
) -> Unheard | None:
    """Returns what a request adds to a thread at `point`; None if it does not pass there."""
    place = next((at for at in _from_the_end(points) if same(points[at], point)), None)
    if place is None:
        return None
    cut = is_cut(point)
    if cut and place < len(entries) and entries[place].role == ASSISTANT:
        place += 1
    return _from(place, entries, cut=cut)


def _from_the_end(points: Sequence[Point]) -> Iterable[int]:
    return range(len(points) - 1, 0, -1)


def _from(place: int, entries: Sequence[Entry], *, cut: bool) -> Unheard:
    """If nothing is left to tell, the question that had no answer is asked again."""
    if place < len(entries) or not cut:
        return Unheard(place=place, cut=cut)
    return asked_again(entries)


def asked_again(entries: Sequence[Entry]) -> Unheard:
    """Asks the last question once more, of a thread that has heard everything."""
    questions = [at for at, entry in enumerate(entries) if entry.role == USER]
    return Unheard(place=questions[-1] if questions else len(entries), cut=True, again=True)


def told(messages: Sequence[Message]) -> str:
    """Returns what the agent is told of messages that its thread has not heard.

    If the user alone speaks in them, it is the user's words without labels. If the last of them is
    an answer, the agent is asked to continue it.
    """
    said = [(role, text) for role, text in messages if role not in _INSTRUCTING and text.strip()]
    if not said:
        return GO_ON
    if all(role == USER for role, _ in said):
        return "\n\n".join(text for _, text in said)
    return render_history(said)


def changed(paths: Sequence[str]) -> str:
    """Returns one line that names the files changed since the last answer; empty without any."""
    if not paths:
        return ""
    named = ", ".join(_printable(path) for path in paths[:_MOST_NAMED])
    more = len(paths) - _MOST_NAMED
    rest = f" and {more} more" if more > 0 else ""
    return f"(Since the last answer these files of the workspace have changed: {named}{rest}.)"


def _printable(path: str) -> str:
    """Returns the path as one line of at most 200 characters, whatever it contains."""
    shown = (
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in path
    )
    return "".join(shown)[:_MOST_CHARACTERS]


def with_notes(prompt: str, *notes: str) -> str:
    """Returns the prompt, with the notes that are not empty as paragraphs before it."""
    return "\n\n".join([*filter(None, notes), prompt])


def instructions(messages: Iterable[Message]) -> str:
    """Returns the texts of system and developer messages, separated by blank lines."""
    texts = [text.strip() for role, text in messages if role in _INSTRUCTING]
    return "\n\n".join(text for text in texts if text)


def render_history(messages: Sequence[Message]) -> str:
    """Returns the conversation as one text, without system and developer messages.

    No message can imitate the label of another one: if a text holds ``===``, the labels carry a
    digest of all texts, which none of them can contain.
    """
    said = [(role, text) for role, text in messages if role not in _INSTRUCTING]
    mark = _mark(said)
    parts = [f"=== {role.upper()}{mark} ===\n{text}" for role, text in said]
    ending = _GO_ON if said and said[-1][0] == ASSISTANT else _ANSWER
    return "\n\n".join([_OPENING + ending, *parts])


def _mark(said: Sequence[Message]) -> str:
    if not any("===" in text for _, text in said):
        return ""
    whole = "\0".join(f"{role}\0{text}" for role, text in said)
    return f" {hashlib.sha256(whole.encode(errors='surrogatepass')).hexdigest()[:16]}"
