"""Of several points with one transcript the closest is meant: by its answers, then its pictures."""

import hashlib
from collections.abc import Sequence

import attrs

from codara.domain.conversation import KnownEnd, Offered, proposals, shortened
from codara.domain.transcript import Entry, points_of
from codara.events.thread import Point

NOTHING: tuple[str, ...] = ()


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def entries(texts: Sequence[str], pictures: Sequence[str] = NOTHING) -> tuple[Entry, ...]:
    """Questions and answers in turns; a picture for each question that is shown one."""
    shown = [*pictures, *[""] * len(texts)]
    return tuple(
        Entry("assistant" if at % 2 else "user", text, at, "" if at % 2 else shown[at // 2])
        for at, text in enumerate(texts)
    )


def offered(*texts: str, pictures: Sequence[str] = NOTHING, chat: str = "") -> Offered:
    told = entries(texts, pictures)
    return Offered.of(told, points_of(told, digest_of), system="", chat=chat)


def known(
    session: str, *texts: str, pictures: Sequence[str] = NOTHING, **changes: object
) -> KnownEnd:
    reached: Point = points_of(entries(texts, pictures), digest_of)[-1]
    ready = KnownEnd(
        session_id=session,
        turn_id=f"turn of {session}",
        point=reached,
        last=True,
        system="",
        chat="",
        order=1,
    )
    return attrs.evolve(ready, **changes)


def meant(wanted: Offered, *points: KnownEnd) -> list[str]:
    return [each.known.session_id for each in proposals(wanted, points)]


def led_back(wanted: Offered, *points: KnownEnd) -> list[tuple[str, int]]:
    return [(each.known.session_id, each.place) for each in shortened(wanted, points)]


def test_an_answer_that_was_given_comes_before_one_that_was_cut() -> None:
    answered, cut = known("answered", "q", "a"), known("cut", "q", order=9)
    assert meant(offered("q", "a", "r"), answered, cut) == ["answered"]
    assert meant(offered("q", "half", "r"), answered, cut) == ["cut"]


def test_a_point_that_was_passed_is_closer_than_an_end_with_another_answer() -> None:
    answered = known("answered", "q", "a", last=False)
    assert meant(offered("q", "a", "r"), answered, known("cut", "q")) == ["answered"]


def test_other_answers_before_do_not_count_among_points_of_another_place() -> None:
    wanted = offered("q", "a", "r")
    assert meant(wanted, known("passed", "q", "a", last=False), known("asked", "q", "a", "r")) == [
        "asked",
        "passed",
    ]


def test_the_same_pictures_come_before_missing_ones() -> None:
    shown = known("shown", "q", "a", pictures=["cat"], order=9)
    mute = known("mute", "q", "a", last=False)
    assert meant(offered("q", "a", "r"), mute, shown) == ["mute"]
    assert meant(offered("q", "a", "r"), shown) == ["shown"]
    assert meant(offered("q", "a", "r", pictures=["cat"]), mute, shown) == ["shown"]


def test_a_question_that_is_asked_again_bears_its_pictures() -> None:
    passed = known("passed", "q", "a", last=False)
    cut = known("cut", "q", "a", "r", pictures=["", "cat"])
    assert meant(offered("q", "a", "r"), passed, cut) == ["passed"]
    assert meant(offered("q", "a", "r", pictures=["", "cat"]), passed, cut) == ["cut", "passed"]


def test_one_chat_may_leave_out_its_own_pictures() -> None:
    mine = known("mine", "q", "a", pictures=["cat"], chat="c")
    other = known("other", "q", "a", order=9)
    assert meant(offered("q", "a", "r", chat="c"), mine, other) == ["mine", "other"]


def test_a_shortened_list_does_not_meet_a_question_that_it_does_not_ask() -> None:
    stopped = known("stopped", "o", "p", "q", "a", "r", "b", "edited away")
    assert led_back(offered("q", "a", "r", "b", "instead"), stopped) == []


def test_a_shortened_list_may_ask_the_question_again_whose_answer_was_cut() -> None:
    stopped = known("stopped", "o", "p", "q", "a", "r", "b", "write a lot")
    assert led_back(offered("q", "a", "r", "b", "write a lot"), stopped) == [("stopped", 5)]


def test_a_shortened_list_leads_to_no_session_where_another_one_came_by() -> None:
    wanted = offered("q", "a", "r", "b", "instead")
    other = known("other", "x", "y", "q", "a", "r", "b")
    assert led_back(wanted, other) == [("other", 4)]
    passed = known("passed", "o", "p", "q", "a", "r", "b", last=False)
    assert led_back(wanted, other, passed) == []
    assert led_back(wanted, passed) == []


def test_a_shortened_list_goes_on_at_the_end_of_a_session_that_came_by_before() -> None:
    passed = known("mine", "o", "p", "q", "a", "r", "b", last=False)
    end = known("mine", "q", "a", "r", "b", "q", "a", "r", "b")
    assert led_back(offered("q", "a", "r", "b", "more"), passed, end) == [("mine", 4)]
