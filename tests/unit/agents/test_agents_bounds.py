"""How long a prompt may be, and who refuses one that is longer."""

from types import SimpleNamespace
from typing import Any

import pytest

from codara.adapters.agents.codex.causes import cause_of
from codara.adapters.agents.codex.config import PROMPT_BOUND
from codara.adapters.agents.gemini.config import INPUT_BOUND
from codara.adapters.agents.pool.abilities import Abilities
from codara.adapters.agents.session.bounds import PromptBound
from codara.errors import ContextLengthExceeded

THREE = PromptBound(most=3)


def abilities(bound: PromptBound | None) -> Abilities:
    runtime: Any = SimpleNamespace(name="codex", prompt_bound=lambda workspace_id: bound)
    return Abilities({"codex": runtime})


@pytest.mark.parametrize("prompt", ["", "abc", "äöü", "🙂🙂🙂"])
def test_a_prompt_up_to_the_bound_is_taken(prompt: str) -> None:
    assert THREE.excess(prompt) == ""
    abilities(THREE).check_prompt("codex", "wsp_1", prompt)


def test_a_longer_one_is_refused_with_both_numbers() -> None:
    with pytest.raises(ContextLengthExceeded) as refused:
        abilities(PromptBound(most=1000)).check_prompt("codex", "wsp_1", "x" * 1001)
    assert refused.value.message == (
        "codex cannot take this: the input has 1,001 characters, and it takes up to 1,000 at once. "
        "Send less, or put the text into a file of the workspace."
    )


def test_without_a_bound_and_without_such_an_agent_nothing_is_refused() -> None:
    abilities(None).check_prompt("codex", "wsp_1", "x" * 10_000)
    abilities(THREE).check_prompt("gemini", "wsp_1", "x" * 10_000)


def test_a_bound_in_bytes_counts_bytes() -> None:
    half = INPUT_BOUND.most // 2
    assert INPUT_BOUND.excess("ä" * half) == ""
    assert "8,388,610 bytes" in INPUT_BOUND.excess("ä" * (half + 1))


def test_codex_counts_characters() -> None:
    assert PROMPT_BOUND.excess("ä" * 1_048_576) == ""
    assert PROMPT_BOUND.excess("ä" * 1_048_577)


def test_what_codex_says_of_too_long_an_input_is_understood() -> None:
    said = "Input exceeds the maximum length of 1048576 characters."
    assert cause_of(said) == "context_full"
