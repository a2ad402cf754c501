"""What is thought twice, in whatever pieces, is heard once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codara.adapters.agents.session.thoughts import Thoughts


def heard(*attempts: tuple[str, ...]) -> str:
    thoughts, everything = Thoughts(), ""
    for attempt in attempts:
        thoughts = thoughts.begin_again()
        for piece in attempt:
            thoughts, new = thoughts.think(piece)
            everything += new
    return everything


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ([("hm, ", "hm, ", "hm")], "hm, hm, hm"),
        ([("let me ", "think"), ("let me ", "think")], "let me think"),
        ([("let me think",), ("let", " me", " think", ", hard")], "let me think, hard"),
        ([("let me",), ("let me think", ", hard")], "let me think, hard"),
        ([("let me think",), ("let me",), ("let me think, hard",)], "let me think, hard"),
        ([(), ("let me think",), (), ("let me think",)], "let me think"),
    ],
)
def test_a_repetition_is_not_heard_however_often_it_comes(
    attempts: list[tuple[str, ...]], expected: str
) -> None:
    assert heard(*attempts) == expected


def test_another_thought_is_heard_whole_and_apart() -> None:
    first = ("let me think",)
    assert heard(first, ("let me ", "see", " it")) == "let me think\n\nlet me see it"
    assert heard(first, ("I look", " it up"), ("I look it up",)) == "let me think\n\nI look it up"


@given(st.lists(st.text("ab", min_size=1, max_size=4)), st.data())
def test_in_whatever_pieces_a_repetition_comes_the_thought_is_heard_once(
    pieces: list[str], data: st.DataObject
) -> None:
    whole = "".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    again = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert heard(tuple(pieces), tuple(again), (*again, "c")) == whole + "c"
