"""An agent is told what its thread has missed: other agents' turns, and files that changed."""

from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest

from codara import errors
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import BackendSeen, MarkSeen, TextDelta
from codara.application.ports.workspaces import Diff
from codara.application.sessions import Sessions
from codara.application.turns import recalling
from codara.application.turns.commands import Message, TurnResult
from codara.domain.history import CHANGED_UNKNOWN, changed
from codara.events import streams
from codara.events.base import Append
from codara.events.session import TurnRequested
from codara.events.workspace import FileChange
from tests import event_examples
from tests.fakes.standings import standing
from tests.fakes.workspaces import FakeWorkspaces
from tests.turn_setup import LIMITS, House, close_house, open_house

OTHER = "acc_other"


@attrs.define
class Answering:
    """An agent with a thread for each provider and branch, that answers and may write a file."""

    house: House
    answer: str = "fine"
    writes: str = ""
    fails: str = ""
    threads: int = 0

    async def __call__(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        if self.fails == "before":
            return Outcome(status="failed", cause="crashed")
        self.threads += turn.backend_id is None
        thread = turn.backend_id or f"{turn.provider}-{self.threads}"
        sink.frame(BackendSeen(thread))
        sink.frame(MarkSeen(turn.turn_id))
        if self.fails == "after":
            return Outcome(status="failed", cause="cut_stream", backend_id=thread)
        if self.writes:
            self.house.workspaces.files[self.writes] = "x"
        sink.frame(TextDelta(self.answer))
        return Outcome(status="completed", backend_id=thread)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    patience = LIMITS.patience | {"claude": LIMITS.patience["codex"]}
    opened = await open_house(tmp_path, attrs.evolve(LIMITS, patience=patience))
    opened.agents.script = Answering(opened)
    opened.agents.forking = True
    registered = attrs.evolve(
        event_examples.account_registered(), account_id=OTHER, provider="claude"
    )
    stored = attrs.evolve(event_examples.credential_stored(), account_id=OTHER)
    account = streams.account(OTHER)
    await opened.log.append([Append(account, 0, [registered, stored])], event_examples.CAUSE)
    opened.standings.accounts.append(standing(OTHER, provider="claude"))
    yield opened
    await close_house(opened)


async def say(house: House, text: str, **more: object) -> str:
    """One message in the session `default`; the prompt that its agent heard."""
    await house.ask(text, **more)
    return house.agents.turns[-1].prompt


async def told(house: House, *texts: str, **more: object) -> TurnResult:
    """A list of questions and answers without a session's name."""
    roles = ("user", "assistant")
    messages = tuple(Message(roles[at % 2], text) for at, text in enumerate(texts))
    return await house.ask(messages=messages, session_label=None, **more)


# ------------------------------------------------------------------ other agents' turns


async def test_another_agent_hears_what_the_first_one_was_told_and_answered(house: House) -> None:
    await say(house, "one")
    prompt = await say(house, "two", provider="claude")
    assert said(prompt) == ["USER: one", "ASSISTANT: fine", "USER: two"]
    assert await say(house, "three", provider="claude") == "three"


def said(prompt: str) -> list[str]:
    """Who says what in a prompt that tells a conversation."""
    parts = prompt.split("=== ")[1:]
    return [part.strip().replace(" ===\n", ": ") for part in parts]


async def test_the_first_agent_hears_only_what_the_other_one_did_meanwhile(house: House) -> None:
    await say(house, "one")
    await say(house, "two", provider="claude")
    await say(house, "three", provider="claude")
    prompt = await say(house, "four")
    expected = ["USER: two", "ASSISTANT: fine", "USER: three", "ASSISTANT: fine", "USER: four"]
    assert said(prompt) == expected
    assert house.agents.turns[-1].backend_id == "codex-1"
    assert await say(house, "five") == "five"


async def test_what_was_said_is_recorded_apart_from_what_was_told(house: House) -> None:
    await say(house, "one")
    first = await house.the(TurnRequested)
    assert (first.prompt, first.question) == ("one", "")
    await say(house, "two", provider="claude")
    assert (await house.the(TurnRequested)).question == "two"


async def test_a_client_that_sends_its_whole_list_is_told_from_it_alone(house: House) -> None:
    await say(house, "one")
    messages = (Message("user", "one"), Message("assistant", "fine"), Message("user", "two"))
    await house.ask(messages=messages, provider="claude")
    prompt = house.agents.turns[-1].prompt
    assert said(prompt) == ["USER: one", "ASSISTANT: fine", "USER: two"]


async def test_a_reset_session_tells_another_agent_nothing(house: House) -> None:
    result = await house.ask("one")
    sessions = Sessions(deciding=house.context.deciding, finder=house.context.finder)
    await sessions.reset(result.session_id, None, event_examples.by("operator:op_1"))
    assert await say(house, "two", provider="claude") == "two"


async def test_an_expired_session_tells_another_agent_nothing(house: House) -> None:
    await say(house, "one")
    house.clock.move(hours=25)
    assert await say(house, "two", provider="claude") == "two"


async def test_a_turn_that_no_thread_heard_is_not_told(house: House) -> None:
    await say(house, "one")
    house.agents.script.fails = "before"
    with pytest.raises(errors.CodaraError):
        await say(house, "lost")
    house.agents.script.fails = ""
    prompt = await say(house, "two", provider="claude")
    assert said(prompt) == ["USER: one", "ASSISTANT: fine", "USER: two"]


async def test_a_question_without_an_answer_is_told_once(house: House) -> None:
    await say(house, "one")
    house.agents.script.fails = "after"
    with pytest.raises(errors.CodaraError):
        await say(house, "two")
    house.agents.script.fails = ""
    prompt = await say(house, "two", provider="claude")
    assert said(prompt) == ["USER: one", "ASSISTANT: fine", "USER: two"]
    assert await say(house, "three", provider="claude") == "three"


async def test_of_a_session_that_went_back_only_its_own_way_is_told(house: House) -> None:
    await say(house, "one")
    await say(house, "wrong")
    messages = (Message("user", "one"), Message("assistant", "fine"), Message("user", "right"))
    await house.ask(messages=messages)
    prompt = await say(house, "two", provider="claude")
    expected = ["USER: one", "ASSISTANT: fine", "USER: right", "ASSISTANT: fine", "USER: two"]
    assert said(prompt) == expected


async def test_a_long_record_is_told_from_its_end(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        await say(house, f"number {number}")
    monkeypatch.setattr(recalling, "_MOST_CHARACTERS", 30)
    prompt = await say(house, "last", provider="claude")
    expected = ["USER: number 3", "ASSISTANT: fine", "USER: number 4", "ASSISTANT: fine"]
    assert said(prompt) == ["USER: (Earlier messages are left out.)", *expected, "USER: last"]


async def test_long_words_come_whole_from_the_record(house: House) -> None:
    question = "long " * 5_000
    house.agents.script.answer = "answer " * 5_000
    await say(house, question)
    prompt = await say(house, "two", provider="claude")
    assert question.strip() in prompt
    assert house.agents.script.answer.strip() in prompt


# ------------------------------------------------------------------ files


async def test_a_forked_thread_hears_which_files_changed_since(house: House) -> None:
    await told(house, "one")
    house.agents.script.writes = "new.py"
    await told(house, "one", "fine", "two")
    house.agents.script.writes = ""
    await told(house, "one", "fine", "other")
    line = "(Since the last answer these files of the workspace have changed: new.py.)"
    turn = house.agents.turns[-1]
    assert turn.fork is not None
    assert turn.prompt == f"{line}\n\nother"
    assert turn.fresh_prompt.startswith(line)
    assert (await house.the(TurnRequested)).question == "other"


async def test_a_changed_file_whose_name_is_not_utf_8_is_named_as_such(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def latin(_: FakeWorkspaces, workspace_id: str, base: str, final: str) -> Diff:
        changes = (FileChange(path="caf\\xe9", path_b64="Y2Fm6Q==", status="added"),)
        return Diff(files=changes, patch="", truncated=False)

    await told(house, "one")
    house.agents.script.writes = "new.py"
    await told(house, "one", "fine", "two")
    house.agents.script.writes = ""
    monkeypatch.setattr(FakeWorkspaces, "diff", latin)
    await told(house, "one", "fine", "other")
    assert "caf\\xe9 (a name that is not UTF-8)." in house.agents.turns[-1].prompt


async def test_an_agent_that_cannot_branch_hears_it_with_the_history(house: House) -> None:
    house.agents.forking = False
    await told(house, "one")
    house.agents.script.writes = "new.py"
    await told(house, "one", "fine", "two")
    await told(house, "one", "fine", "other")
    prompt = house.agents.turns[-1].prompt
    assert prompt.startswith("(Since the last answer these files of the workspace have changed")
    assert said(prompt) == ["USER: one", "ASSISTANT: fine", "USER: other"]


async def test_a_named_session_that_goes_back_hears_it_too(house: House) -> None:
    await say(house, "one")
    house.agents.script.writes = "new.py"
    await say(house, "wrong")
    messages = (Message("user", "one"), Message("assistant", "fine"), Message("user", "right"))
    await house.ask(messages=messages)
    assert "new.py" in house.agents.turns[-1].prompt


async def test_where_nothing_changed_nothing_is_said(house: House) -> None:
    await told(house, "one")
    await told(house, "one", "fine", "two")
    await told(house, "one", "fine", "other")
    assert house.agents.turns[-1].prompt == "other"
    house.workspaces.files["by-hand.py"] = "x"
    await told(house, "one", "fine", "other", "fine", "on")
    assert house.agents.turns[-1].prompt == "on"


async def test_changes_that_cannot_be_told_may_have_happened(house: House) -> None:
    await told(house, "one")
    house.agents.script.writes = "new.py"
    await told(house, "one", "fine", "two")
    house.workspaces.trees.clear()
    await told(house, "one", "fine", "other")
    assert house.agents.turns[-1].prompt == f"{CHANGED_UNKNOWN}\n\nother"


def test_odd_and_many_names_stay_on_one_line() -> None:
    line = changed(["a\nb\x1b[2J.py", "\udcff", *(f"f{number}" for number in range(30))])
    assert "\n" not in line
    assert "a\\nb\\x1b[2J.py, \\udcff, f0" in line
    assert line.endswith("f17 and 12 more.)")
    assert changed([]) == ""
