"""Transcripts: what counts as said, and when two of them are the same."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codara.domain.transcript import (
    Entry,
    advance,
    answered,
    entries_of,
    normal,
    points_of,
    same,
    without_reasoning,
)
from codara.events.thread import Point


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def point(*messages: tuple[str, str]) -> Point:
    return advance(Point(), entries_of(messages), digest_of)


@pytest.mark.parametrize(
    "text", ["a b", " a  b ", "a\r\nb", "a\n\n\tb", "a\u00a0b", "a b\n", "\u2003a b"]
)
def test_white_space_does_not_count(text: str) -> None:
    assert normal(text) == "a b"


def test_letters_that_are_written_in_two_ways_are_the_same() -> None:
    assert normal("Gru\u0308\u00dfe") == normal("Gr\u00fc\u00dfe")


@pytest.mark.parametrize(
    "text",
    [
        "<think>hm</think>yes",
        '<details type="reasoning" done="true"><summary>x</summary>hm</details>\nyes',
        "<THINK>hm\n\n</Think> yes",
        "<think>a</think><think>b</think>yes",
    ],
)
def test_reasoning_that_chat_programs_keep_in_answers_does_not_count(text: str) -> None:
    assert normal(without_reasoning(text)) == "yes"


@pytest.mark.parametrize("text", ["a <think> b", "<details>a</details>", "</think>", "a < b"])
def test_what_is_no_block_of_reasoning_stays(text: str) -> None:
    assert without_reasoning(text) == text


def test_a_text_full_of_openings_costs_no_more_than_its_length() -> None:
    text = "<think>" * 200_000
    assert without_reasoning(text) == text


def test_neighbouring_answers_are_one_and_empty_ones_are_none() -> None:
    found = entries_of(
        [
            ("system", "brief"),
            ("assistant", "hi"),
            ("user", "q"),
            ("assistant", ""),
            ("tool", "42"),
            ("assistant", "a"),
            ("function", "x"),
            ("assistant", "b"),
        ]
    )
    assert [(each.role, each.text, each.at) for each in found] == [
        ("assistant", "hi", 1),
        ("user", "q", 2),
        ("assistant", "a b", 7),
    ]


def test_a_hundred_thousand_messages_are_digested_in_one_go() -> None:
    messages = [("user" if at % 2 else "assistant", "x") for at in range(100_000)]
    assert len(points_of(entries_of(messages), digest_of)) == 100_001
    assert len(entries_of([("assistant", "x")] * 100_000)) == 1


def test_a_question_and_an_answer_of_one_text_are_not_the_same() -> None:
    assert (
        point(("user", "a"), ("user", "b")).digest
        != point(("user", "a"), ("assistant", "b")).digest
    )


def test_a_message_cannot_pass_for_two() -> None:
    assert point(("user", "a\0user\0b")).digest != point(("user", "a"), ("user", "b")).digest


def test_a_question_leaves_the_point_open_until_it_is_answered() -> None:
    open_question = point(("user", "q"))
    assert open_question.digest != open_question.answered
    done = answered(open_question, " the answer ", digest_of)
    assert done == point(("user", "q"), ("assistant", "the answer"))
    assert done.digest == done.answered


def test_the_tail_tells_the_last_two_exchanges_whatever_came_before() -> None:
    two = [("user", "b"), ("assistant", "B"), ("user", "c"), ("assistant", "C")]
    assert point(("user", "a"), ("assistant", "A"), *two).tail == point(*two).tail != ""
    assert point(*two[:2]).tail == ""
    assert point(("user", "x"), *two).tail != point(*two).tail


def test_other_pictures_make_another_transcript_and_missing_ones_do_not() -> None:
    def shown(pictures: str) -> Point:
        return advance(Point(), [Entry("user", "look", 0, pictures)], digest_of)

    assert not same(shown("cat"), shown("dog"))
    assert same(shown("cat"), shown("cat"))
    assert same(shown("cat"), shown(""))


messages = st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.text(max_size=3)))


@given(messages, messages)
def test_a_transcript_that_grows_reaches_the_same_points(first: list, more: list) -> None:
    whole = entries_of([*first, ("user", "-"), *more])
    begun = entries_of([*first, ("user", "-")])
    points = points_of(whole, digest_of)
    assert points[len(begun)] == advance(Point(), begun, digest_of)
    assert points[-1] == advance(points[len(begun)], whole[len(begun) :], digest_of)
