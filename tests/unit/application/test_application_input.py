"""What a turn is given besides words: pictures and files."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from codara.application.ports.agents import AgentTurn, FrameSink, Image, Outcome
from codara.application.ports.frames import Reports, UsageSeen
from codara.application.ports.workspaces import Upload
from codara.application.turns.commands import Message
from codara.errors import AgentFailed, InvalidRequest, WorkspaceAccessDenied
from codara.events.session import TurnCompleted, TurnRequested
from tests.fakes.agents import says_hello
from tests.turn_setup import House, close_house, command, open_house

CAT = Image("image/png", b"\x89PNG\r\n\x1a\ncat")
DOG = Image("image/jpeg", b"\xff\xd8\xffdog")
TOLD = {"last": {"inputTokens": 10}, "total": 12}
NOTES = Upload("notes.md", b"# Notes")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    opened = await open_house(tmp_path)
    yield opened
    await close_house(opened)


async def test_a_picture_reaches_the_agent_and_the_log(house: House) -> None:
    await house.ask(messages=(Message("user", "look", (CAT,)),))
    [turn] = house.agents.turns
    assert (turn.prompt, turn.images) == ("look", (CAT,))
    [picture] = (await house.the(TurnRequested)).images
    assert picture.media_type == "image/png"
    assert await house.log.open_payload(picture.payload) == CAT.data


async def test_a_large_picture_is_recorded_whole(house: House) -> None:
    large = Image("image/png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4000)
    await house.ask(messages=(Message("user", "look", (large,)),))
    [picture] = (await house.the(TurnRequested)).images
    assert await house.log.open_payload(picture.payload) == large.data


async def test_only_pictures_that_are_new_to_the_thread_are_shown(house: House) -> None:
    first = Message("user", "look", (CAT,))
    await house.ask(messages=(first,))
    again = (first, Message("assistant", "hello"), Message("user", "and this?", (DOG,)))
    result = await house.ask(messages=again)
    assert result.thread == "resumed"
    assert house.agents.turns[-1].images == (DOG,)
    assert house.agents.turns[-1].prompt == "and this?"


async def test_a_fresh_thread_would_be_shown_the_pictures_of_the_whole_history(
    house: House,
) -> None:
    first = Message("user", "look", (CAT,))
    await house.ask(messages=(first,))
    [turn] = house.agents.turns
    assert turn.fresh_images == (CAT,)
    again = (first, Message("assistant", "hello"), Message("user", "and this?", (DOG,)))
    await house.ask(messages=again)
    turn = house.agents.turns[-1].afresh()
    assert turn.images == (CAT, DOG)
    assert "look\n[image]" in turn.prompt


async def test_uploaded_pictures_count_among_those_of_a_request(house: House) -> None:
    looks = Message("user", "look", (CAT,) * 15)
    files = (Upload("cat.png", CAT.data), NOTES)
    await house.ask(messages=(looks,), uploads=files)
    with pytest.raises(InvalidRequest, match=r"16 pictures at most.*one has 17") as refused:
        await house.ask(messages=(looks,), uploads=(*files, Upload("dog.jpg", DOG.data)))
    assert refused.value.param == "messages"
    assert len(house.agents.turns) == 1


async def test_another_picture_under_the_same_words_is_another_history(house: House) -> None:
    await house.ask(messages=(Message("user", "look", (CAT,)),))
    other = (
        Message("user", "look", (DOG,)),
        Message("assistant", "hello"),
        Message("user", "and now?"),
    )
    result = await house.ask(messages=other)
    turn = house.agents.turns[-1]
    assert result.thread == "fresh"
    assert turn.images == (DOG,)
    assert "look\n[image]" in turn.prompt


async def test_a_picture_without_words_gets_a_word(house: House) -> None:
    await house.ask(messages=(Message("user", " ", (CAT,)),))
    assert house.agents.turns[0].prompt == "[image]"


async def test_uploads_lie_in_the_workspace_while_the_agent_works(house: House) -> None:
    seen: dict[str, tuple[Upload, ...]] = {}

    async def looks(turn: AgentTurn, sink: FrameSink) -> Outcome:
        seen.update(house.workspaces.staged)
        return await says_hello(turn, sink)

    house.agents.script = looks
    result = await house.ask("read it", uploads=(NOTES,))
    assert seen == {f".codara/uploads/{result.turn_id}": (NOTES,)}
    assert house.workspaces.staged == {}
    assert house.agents.turns[0].prompt == (
        f"read it\n\nFiles uploaded with this message: .codara/uploads/{result.turn_id}/notes.md"
    )


async def test_the_line_about_uploads_is_no_part_of_the_clients_history(house: House) -> None:
    await house.ask("read it", uploads=(NOTES,))
    history = (Message("user", "read it"), Message("assistant", "hello"), Message("user", "more"))
    assert (await house.ask(messages=history)).thread == "resumed"


@pytest.mark.parametrize(("sighted", "shown"), [(True, (CAT,)), (False, ())])
async def test_an_uploaded_picture_is_shown_to_an_agent_that_sees(
    house: House, sighted: bool, shown: tuple[Image, ...]
) -> None:
    house.agents.sighted = sighted
    await house.ask("look", uploads=(Upload("cat.png", CAT.data), NOTES))
    assert house.agents.turns[0].images == shown


async def test_uploads_are_gone_after_a_failure(house: House) -> None:
    async def fails(turn: AgentTurn, sink: FrameSink) -> Outcome:
        return Outcome(status="failed", cause="cut_stream")

    house.agents.script = fails
    with pytest.raises(AgentFailed):
        await house.ask("read it", uploads=(NOTES,))
    assert house.workspaces.staged == {}


async def test_uploads_that_find_no_place_refuse_the_turn_before_it_starts(house: House) -> None:
    house.workspaces.in_the_way = True
    handle = await house.turns.submit(command("read it", uploads=(NOTES,)))
    async with handle:
        with pytest.raises(WorkspaceAccessDenied):
            await handle.started()
    assert house.agents.turns == []
    house.workspaces.in_the_way = False
    assert (await house.ask("read it", uploads=(NOTES,))).text == "hello"


async def test_the_agents_own_numbers_are_kept(house: House) -> None:
    async def counts(turn: AgentTurn, sink: FrameSink) -> Outcome:
        sink.frame(UsageSeen(10, 4, 0, 5, 2, Reports((TOLD,))))
        return await says_hello(turn, sink)

    house.agents.script = counts
    result = await house.ask()
    assert result.usage is not None
    assert result.usage.raw == {"reports": [TOLD], "left_out": 0}
    assert (await house.the(TurnCompleted)).end.usage.raw == result.usage.raw


async def test_numbers_beyond_measure_are_left_to_the_recording(house: House) -> None:
    async def counts(turn: AgentTurn, sink: FrameSink) -> Outcome:
        old, new = ({"noise": noise * 9000} for noise in "xy")
        sink.frame(UsageSeen(10, 4, 0, 5, 2, Reports((TOLD, old, new), left_out=3)))
        return await says_hello(turn, sink)

    house.agents.script = counts
    result = await house.ask()
    assert result.usage is not None
    assert (result.usage.input, result.usage.output) == (10, 5)
    assert result.usage.raw == {"reports": [{"noise": "y" * 9000}], "left_out": 5}


async def test_numbers_that_cannot_be_written_are_left_to_the_recording(house: House) -> None:
    async def counts(turn: AgentTurn, sink: FrameSink) -> Outcome:
        sink.frame(UsageSeen(10, 4, 0, 5, 2, Reports(({"much": 1 << 80},))))
        return await says_hello(turn, sink)

    house.agents.script = counts
    result = await house.ask()
    assert result.usage is not None
    assert result.usage.raw == {"reports": [], "left_out": 1}
