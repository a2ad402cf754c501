"""Which conversation a request belongs to: given what it holds and what is known."""

import hashlib

from codara.domain.conversation import KnownEnd, Offered, proposals, shortened
from codara.domain.transcript import advance, entries_of, points_of
from codara.events.thread import Point


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def talk(*texts: str) -> list[tuple[str, str]]:
    return [("user" if at % 2 == 0 else "assistant", text) for at, text in enumerate(texts)]


def offered(*texts: str, system: str = "", chat: str = "") -> Offered:
    entries = entries_of(talk(*texts))
    return Offered.of(entries, points_of(entries, digest_of), system=system, chat=chat)


def known(session: str, *texts: str, **changes: object) -> KnownEnd:
    given: dict[str, object] = {
        "session_id": session,
        "turn_id": f"turn of {session}",
        "point": advance(Point(), entries_of(talk(*texts)), digest_of),
        "last": True,
        "system": "",
        "chat": "",
        "order": 1,
    }
    return KnownEnd(**(given | changes))  # type: ignore[arg-type]


def meant(wanted: Offered, *points: KnownEnd) -> list[tuple[str, int]]:
    return [(each.known.session_id, each.place) for each in proposals(wanted, points)]


ASKING = offered("q", "a", "r")


def test_the_end_of_a_session_is_where_its_transcript_goes_on() -> None:
    assert meant(ASKING, known("s", "q", "a")) == [("s", 2)]


def test_what_is_not_on_the_way_is_not_meant() -> None:
    assert meant(ASKING, known("s", "q", "b"), known("t", "q", "a", "x", "y")) == []


def test_an_end_comes_before_a_point_that_was_passed() -> None:
    passed = known("old", "q", "a", last=False, order=9)
    assert meant(ASKING, passed, known("s", "q", "a")) == [("s", 2), ("old", 2)]


def test_the_later_of_two_equal_ends_comes_first() -> None:
    first, later = known("first", "q", "a"), known("later", "q", "a", order=2)
    assert meant(ASKING, first, later) == [("later", 2), ("first", 2)]


def test_other_system_messages_are_meant_only_where_no_other_session_is() -> None:
    wanted = offered("q", "a", "r", system="kind")
    terse = known("terse", "q", "a", system="terse")
    assert meant(wanted, terse) == [("terse", 2)]
    assert meant(wanted, terse, known("kind", "q", "a", system="kind")) == [("kind", 2)]
    assert meant(wanted, terse, known("mute", "q", "a", system="mute")) == []


def test_the_same_chat_is_meant_whatever_its_system_messages() -> None:
    wanted = offered("q", "a", "r", system="kind", chat="c")
    mine = known("mine", "q", "a", system="terse", chat="c")
    assert meant(wanted, mine, known("other", "q", "a", system="x")) == [("mine", 2)]


def test_another_chat_is_never_meant() -> None:
    wanted = offered("q", "a", "r", chat="c")
    assert meant(wanted, known("s", "q", "a", chat="d")) == []
    assert meant(wanted, known("s", "q", "a")) == [("s", 2)]


def test_a_cut_answer_is_continued_with_any_text_or_none() -> None:
    cut = known("s", "q", "a", "r")
    assert meant(offered("q", "a", "r", "hal", "more"), cut) == [("s", 4)]
    assert meant(offered("q", "a", "r"), cut) == [("s", 3)]
    assert meant(offered("q", "a", "r", "", "more"), cut) == [("s", 3)]


def test_a_whole_answer_has_no_other_text_in_its_place() -> None:
    assert meant(offered("q", "edited", "more"), known("s", "q", "a")) == []


def test_the_beginning_of_a_digest_is_not_the_digest() -> None:
    point = ASKING.points[2]
    alike = known("s", "q", "a", point=Point(digest=point.digest[:8] + "0" * 24, entries=2))
    assert meant(ASKING, alike) == []


LONG = ("a", "A", "b", "B", "c", "C")


def test_a_history_without_its_beginning_goes_on_in_the_one_session_that_ends_so() -> None:
    wanted = offered("b", "B", "c", "C", "more")
    assert [each.known.session_id for each in shortened(wanted, [known("s", *LONG)])] == ["s"]
    assert shortened(wanted, [known("s", *LONG), known("t", *LONG)]) == []
    assert shortened(wanted, [known("s", *LONG, last=False)]) == []
    assert shortened(wanted, [known("s", *LONG, system="other")]) == []
    assert shortened(wanted, [known("s", *LONG, chat="c", system="other")]) == []


def test_a_history_of_the_same_length_has_no_beginning_missing() -> None:
    wanted = offered("x", "X", "b", "B", "c", "C", "more")
    assert shortened(wanted, [known("s", *LONG)]) == []


def test_a_hundred_thousand_questions_ask_for_few_points() -> None:
    wanted = offered("q", "a", *(["r", ""] * 50_000))
    assert len(wanted.digests()) <= 70
