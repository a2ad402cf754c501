"""What the scripted model server makes of requests of Anthropic's Messages API."""

from typing import Any

import pytest

from codara.demo import anthropicwire
from codara.demo.script import Call, Refuse, Step

WRITE = Step("write", "a.txt", "x")
EDIT = Step("edit", "a.txt", "x=>y")


def body(*messages: tuple[str, Any]) -> dict[str, Any]:
    return {
        "model": "claude",
        "system": [{"type": "text", "text": "Be brief"}],
        "messages": [{"role": role, "content": content} for role, content in messages],
    }


def use(name: str, path: str) -> list[dict[str, Any]]:
    return [{"type": "tool_use", "id": "t1", "name": name, "input": {"file_path": path}}]


def used(*, is_error: bool = False) -> list[dict[str, Any]]:
    return [{"type": "tool_result", "tool_use_id": "t1", "content": "x", "is_error": is_error}]


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def called(request: anthropicwire.AnthropicRequest, step: Step) -> str:
    events = anthropicwire.tool_call(Call(step, "", 0.0, None), request, "toolu_1", 0)
    return str(next(iter(events))["content_block"]["name"])


def test_what_the_cli_adds_for_itself_is_no_prompt() -> None:
    added = text("<system-reminder>x</system-reminder>")
    cut = text("[Request interrupted by user]")
    asked = anthropicwire.read(
        body(("user", [added, text("one")]), ("user", [cut, text("two")])), ""
    )
    assert asked.conversation.prompts == ("one", "two")
    assert asked.conversation.instructions == ("Be brief",)


def test_results_since_the_last_prompt_are_counted() -> None:
    messages = (("user", "one"), ("assistant", use("Write", "a.txt")), ("user", used()))
    assert anthropicwire.read(body(*messages), "").conversation.tools_done == 1
    assert anthropicwire.read(body(*messages, ("user", "two")), "").conversation.tools_done == 0


def test_a_file_the_agent_knows_is_edited_and_another_one_left_to_the_shell() -> None:
    fresh = anthropicwire.read(body(("user", "one")), "")
    assert (called(fresh, WRITE), called(fresh, EDIT)) == ("Write", "Bash")
    known = (("assistant", use("Write", "a.txt")), ("user", used()))
    assert called(anthropicwire.read(body(("user", "one"), *known), ""), EDIT) == "Edit"


def test_what_a_file_tool_refused_the_shell_does() -> None:
    refused = (("assistant", use("Write", "a.txt")), ("user", used(is_error=True)))
    asked = anthropicwire.read(body(("user", "one"), *refused), "")
    assert asked.conversation.tools_done == 0
    assert called(asked, WRITE) == "Bash"


def test_a_picture_is_named_behind_its_prompt() -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png"}}
    asked = anthropicwire.read(body(("user", [text("look"), picture])), "")
    assert asked.conversation.prompts == ("look\n[image/png]",)


@pytest.mark.parametrize(
    ("kind", "status"),
    [("401", 401), ("429", 429), ("429quota", 429), ("500", 500), ("503", 529), ("context", 400)],
)
def test_a_refusal_has_anthropics_status(kind: str, status: int) -> None:
    answer = anthropicwire.refusal(Refuse(kind, None, None), "claude")
    assert answer.status == status
    assert ("Retry-After" in answer.headers) == kind.startswith("429")
