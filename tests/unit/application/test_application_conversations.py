"""Conversations are kept apart and found again, whatever order their requests come in."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codara import errors
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import BackendSeen, MarkSeen, TextDelta
from codara.application.turns.commands import Message
from codara.events.session import SessionOpened, TurnRequested
from tests.turn_setup import House, close_house, command, open_house


@attrs.define
class Threads:
    """An agent that remembers what each of its threads has heard, and branches them."""

    heard: dict[str, list[str]] = attrs.field(factory=dict)
    stops: bool = False
    fails: bool = False

    async def __call__(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        thread = self._thread(turn)
        self.heard[thread].append(f"{turn.instructions}|{turn.prompt}")
        sink.frame(BackendSeen(thread))
        sink.frame(MarkSeen(str(len(self.heard[thread]))))
        if self.stops:
            sink.frame(TextDelta("hal"))
            await asyncio.sleep(3600)
        if self.fails:
            return Outcome(status="failed", cause="cut_stream", backend_id=thread)
        sink.frame(TextDelta("fine"))
        return Outcome(status="completed", backend_id=thread)

    def _thread(self, turn: AgentTurn) -> str:
        if turn.backend_id is not None:
            return turn.backend_id
        known = f"thread-{len(self.heard) + 1}"
        kept = self.heard[turn.fork.backend_id][: int(turn.fork.mark)] if turn.fork else []
        self.heard[known] = list(kept)
        return known


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    opened = await open_house(tmp_path)
    opened.agents.script = Threads()
    opened.agents.forking = True
    yield opened
    await close_house(opened)


def listed(*texts: str, system: str = "") -> tuple[Message, ...]:
    """User and assistant in turns, behind a system message."""
    roles = ("user", "assistant")
    told = [Message(roles[at % 2], text) for at, text in enumerate(texts)]
    return (*([Message("system", system)] if system else []), *told)


async def say(house: House, *texts: str, system: str = "", **more: object):
    """A request as stock clients send it: the whole list, and no session."""
    return await house.ask(messages=listed(*texts, system=system), session_label=None, **more)


async def test_a_request_without_history_begins_a_conversation_of_its_own(house: House) -> None:
    first = await say(house, "hello")
    second = await say(house, "hello")
    assert first.session_id != second.session_id
    assert (first.thread, second.thread) == ("new", "new")
    assert list(house.agents.script.heard.values()) == [["|hello"], ["|hello"]]
    assert first.client_session_id is None


async def test_the_history_leads_back_to_its_session(house: House) -> None:
    first = await say(house, "hello")
    second = await say(house, "hello", "fine", "more")
    third = await say(house, " hello\n", "<think>hm</think>fine ", "more", "fine", "and more")
    assert {first.session_id, second.session_id} == {third.session_id}
    assert (second.thread, third.thread) == ("resumed", "resumed")
    assert house.agents.script.heard == {"thread-1": ["|hello", "|more", "|and more"]}


async def test_two_chats_with_one_first_exchange_stay_two(house: House) -> None:
    for _ in range(2):
        await say(house, "hello")
    await say(house, "hello", "fine", "of A")
    await say(house, "hello", "fine", "of B")
    assert sorted(house.agents.script.heard.values()) == [
        ["|hello", "|of A"],
        ["|hello", "|of B"],
    ]


async def test_an_edited_question_branches_before_it(house: House) -> None:
    first = await say(house, "hello")
    await say(house, "hello", "fine", "more")
    edited = await say(house, "hello", "fine", "other")
    assert (edited.thread, edited.forked_from) == ("forked", first.turn_id)
    assert edited.session_id != first.session_id
    assert house.agents.script.heard["thread-2"] == ["|hello", "|other"]
    opened = [each.event for each in await house.log.read(0, limit=500)]
    origins = [each.origin for each in opened if isinstance(each, SessionOpened)]
    assert origins == ["new", "forked"]


async def test_an_agent_that_cannot_branch_is_told_the_history(house: House) -> None:
    house.agents.forking = False
    first = await say(house, "hello")
    await say(house, "hello", "fine", "more")
    edited = await say(house, "hello", "fine", "other")
    assert (edited.thread, edited.forked_from) == ("fresh", first.turn_id)
    (heard,) = house.agents.script.heard["thread-2"]
    assert "=== ASSISTANT ===\nfine" in heard
    assert "more" not in heard


async def test_a_history_that_nobody_knows_is_told_to_a_new_session(house: House) -> None:
    result = await say(house, "from elsewhere", "indeed", "more")
    assert result.thread == "new"
    (heard,) = house.agents.script.heard["thread-1"]
    assert heard.index("from elsewhere") < heard.index("indeed") < heard.index("more")
    again = await say(house, "from elsewhere", "indeed", "more", "fine", "and more")
    assert (again.session_id, again.thread) == (result.session_id, "resumed")


async def test_other_system_messages_are_another_chat_where_there_are_two(house: House) -> None:
    terse = await say(house, "hello", system="be terse")
    kind = await say(house, "hello", system="be kind")
    assert (await say(house, "hello", "fine", "more", system="be kind")).session_id == (
        kind.session_id
    )
    assert (await say(house, "hello", "fine", "more", system="be terse")).session_id == (
        terse.session_id
    )


async def test_a_changed_system_message_alone_leads_back_all_the_same(house: House) -> None:
    first = await say(house, "hello", system="it is noon")
    later = await say(house, "hello", "fine", "more", system="it is one o'clock")
    assert (later.session_id, later.thread) == (first.session_id, "resumed")


async def test_chat_ids_tell_equal_histories_apart_and_name_no_session(house: House) -> None:
    one = await say(house, "hello", chat="one")
    two = await say(house, "hello", chat=one.session_id)
    assert two.session_id != one.session_id
    assert (await say(house, "hello", "fine", "more", chat="one")).session_id == one.session_id
    third = await say(house, "hello", "fine", "more", chat="three")
    assert third.session_id not in (one.session_id, two.session_id)


async def test_a_key_does_not_find_the_conversations_of_another_one(house: House) -> None:
    first = await say(house, "hello")
    caller = attrs.evolve(command().caller, key_id="key_2")
    other = await say(house, "hello", "fine", "more", caller=caller)
    assert other.session_id != first.session_id
    assert other.thread == "new"


async def test_a_workspace_is_part_of_where_a_conversation_is(house: House) -> None:
    first = await say(house, "hello")
    other = await say(house, "hello", "fine", "more", workspace="elsewhere")
    assert other.session_id != first.session_id


async def test_a_history_whose_beginning_is_cut_goes_on(house: House) -> None:
    texts: list[str] = []
    for number in range(4):
        texts.append(f"question {number}")
        first = await say(house, *texts, system="s")
        texts.append("fine")
    cut = await say(house, *texts[4:], "more", system="s")
    assert (cut.session_id, cut.thread) == (first.session_id, "resumed")
    assert house.agents.script.heard["thread-1"][-1] == "s|more"


async def test_named_sessions_are_found_by_their_name_alone(house: House) -> None:
    named = await house.ask("hello", session_label="mine")
    stateless = await say(house, "hello", "fine", "more")
    assert stateless.session_id != named.session_id
    by_id = await house.ask("again", session_label=stateless.session_id)
    assert by_id.session_id == stateless.session_id


async def test_what_is_not_kept_is_not_found(house: House) -> None:
    kept = await say(house, "hello", persistent=False)
    assert (await say(house, "hello", "fine", "more")).session_id != kept.session_id


async def stopped(house: House, *texts: str, system: str = ""):
    """A request whose client leaves while the agent answers."""
    agent: Threads = house.agents.script
    agent.stops = True
    wanted = command(messages=listed(*texts, system=system), session_label=None)
    handle = await house.turns.submit(wanted)
    async with handle:
        async for frame in handle.frames():
            if frame == TextDelta("hal"):
                break
    agent.stops = False
    return handle


async def test_stop_and_resend_goes_on_in_the_cut_answers_thread(house: House) -> None:
    first = await say(house, "hello")
    cut = await stopped(house, "hello", "fine", "write a lot")
    again = await say(house, "hello", "fine", "write a lot")
    assert {cut.session_id, again.session_id} == {first.session_id}
    assert (again.thread, again.dirty) == ("resumed", True)
    heard = house.agents.script.heard["thread-1"]
    assert heard[-1] == "|(Your last answer was cut off before its end.)\n\nwrite a lot"
    after = await say(house, "hello", "fine", "write a lot", "fine", "thanks")
    assert (after.session_id, after.dirty) == (first.session_id, False)


async def test_any_text_stands_for_the_answer_that_was_cut(house: House) -> None:
    first = await say(house, "hello")
    await stopped(house, "hello", "fine", "write a lot")
    on = await say(house, "hello", "fine", "write a lot", "hal", "go on")
    assert (on.session_id, on.thread) == (first.session_id, "resumed")
    assert house.agents.script.heard["thread-1"][-1].endswith("go on")


async def test_a_failed_turn_is_continued(house: House) -> None:
    first = await say(house, "hello")
    house.agents.script.fails = True
    with pytest.raises(errors.AgentFailed):
        await say(house, "hello", "fine", "break")
    house.agents.script.fails = False
    on = await say(house, "hello", "fine", "break", "", "and now?")
    assert (on.session_id, on.thread, on.dirty) == (first.session_id, "resumed", True)


async def test_two_requests_from_one_point_at_once_get_two_threads(house: House) -> None:
    first = await say(house, "hello")
    both = await asyncio.gather(
        say(house, "hello", "fine", "left", workspace="default"),
        say(house, "hello", "fine", "right", workspace="default"),
    )
    assert len({each.session_id for each in both}) == 2
    assert first.session_id in {each.session_id for each in both}
    heard = sorted(house.agents.script.heard.values())
    assert heard == [["|hello", "|left"], ["|hello", "|right"]]


async def test_a_provider_that_answered_in_between_is_told_of_in_the_same_thread(
    house: House,
) -> None:
    named = {"session_label": "mine"}
    await house.ask("", messages=listed("hello"), **named)
    told = listed("hello", "fine", "ask the other one", "theirs", "and you?")
    result = await house.ask("", messages=told, **named)
    assert result.thread == "resumed"
    heard = house.agents.script.heard["thread-1"][-1]
    assert heard.index("ask the other one") < heard.index("theirs") < heard.index("and you?")


async def test_a_list_that_ends_with_an_answer_is_gone_on_with(house: House) -> None:
    await house.ask("hello", session_label="mine")
    await house.ask("", messages=listed("hello", "fine"), session_label="mine")
    assert "Go on with your last answer" in house.agents.script.heard["thread-1"][-1]
    prefilled = await say(house, "write a poem", "Roses are")
    assert prefilled.thread == "new"
    (heard,) = house.agents.script.heard["thread-2"]
    assert "go on with it" in heard


async def test_a_list_that_ends_with_a_tools_result_is_told_whole(house: House) -> None:
    messages = (
        Message("user", "how warm is it?"),
        Message("assistant", ""),
        Message("tool", "21 degrees"),
    )
    await house.ask("", messages=messages, session_label=None)
    assert "21 degrees" in house.agents.script.heard["thread-1"][0]


async def test_a_point_names_what_the_turn_continues(house: House) -> None:
    await say(house, "hello")
    await say(house, "hello", "fine", "more")
    recorded = [each.event for each in await house.log.read(0, limit=500)]
    first, second = [each for each in recorded if isinstance(each, TurnRequested)]
    assert (first.thread.point.entries, first.heard.point.entries) == (0, 1)
    assert (second.thread.point.entries, second.heard.point.entries) == (2, 3)
    assert second.caller == first.caller != ""


async def test_a_reset_takes_a_conversation_out_of_the_search(house: House) -> None:
    first = await say(house, "hello")
    house.clock.move(days=2)
    later = await say(house, "hello", "fine", "more")
    assert later.session_id != first.session_id


# ---------------------------------------------------------------- many chats


@attrs.define
class Chat:
    """What one chat program shows: a list of messages that it sends whole each time."""

    name: str
    system: str
    texts: list[str] = attrs.field(factory=list)

    def question(self, number: int) -> str:
        """Every chat begins with the same words; all that follows names it."""
        return "hello" if not self.texts else f"{self.name} asks {number}"


async def play(folder: Path, moves: Sequence[tuple[int, str]]) -> None:
    house = await open_house(folder)
    agent = house.agents.script = Threads()
    house.agents.forking = True
    chats = [Chat(f"chat{at}", "" if at % 3 else "be kind") for at in range(4)]
    for number, (which, move) in enumerate(moves):
        chat = chats[which]
        question = chat.question(number)
        if move == "edit" and len(chat.texts) >= 4:
            chat.texts = chat.texts[:-2]
        elif move == "regenerate" and len(chat.texts) >= 4:
            question, chat.texts = chat.texts[-2], chat.texts[:-2]
        agent.fails = move == "fail" and bool(chat.texts)
        asked = (*chat.texts, question)
        try:
            if move == "twice":
                answers = await asyncio.gather(
                    *(say(house, *asked, system=chat.system) for _ in range(2))
                )
                answer = answers[0]
            elif move == "stop" and chat.texts:
                await stopped(house, *asked, system=chat.system)
                chat.texts += [question, "hal"]
                continue
            else:
                answer = await say(house, *asked, system=chat.system)
        except errors.AgentFailed:
            continue
        finally:
            agent.fails = False
        assert answer.text == "fine"
        chat.texts += [question, answer.text]
    for heard in agent.heard.values():
        told = "\n".join(heard)
        assert sum(f"{chat.name} asks" in told for chat in chats) <= 1, heard
        assert len({text.partition("|")[0] for text in heard}) == 1
    await close_house(house)


moves = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["say", "say", "say", "edit", "regenerate", "twice", "fail", "stop"]),
    ),
    max_size=14,
)


@given(moves)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_thread_ever_hears_what_another_chat_said(moves: list[tuple[int, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder), moves))


async def test_what_is_asked_beside_a_chat_leaves_its_thread_alone(house: House) -> None:
    chat = await say(house, "hello")
    told = ("hello", "fine", "give this a title")
    aside = await say(house, *told, persistent=False, aside=True)
    assert aside.session_id != chat.session_id
    assert aside.aside
    on = await say(house, "hello", "fine", "more")
    assert (on.session_id, on.thread, on.aside) == (chat.session_id, "resumed", False)
    assert house.agents.script.heard["thread-1"] == ["|hello", "|more"]
    opened = [each.event for each in await house.log.read(0, limit=500)]
    assert [each.origin for each in opened if isinstance(each, SessionOpened)] == ["new", "aside"]
