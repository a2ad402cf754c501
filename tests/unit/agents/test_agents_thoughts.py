"""What is thought twice, in whatever pieces, is heard once."""

import pytest

from codara.adapters.agents.thoughts import Thoughts


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
