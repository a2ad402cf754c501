"""After a loss was accepted every session is dirty, and goes on in a fresh thread."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from chat_clients import RESENDING, STATELESS, Chat, Profile, chats_of
from remembering_agent import USER, Said
from restarted_gateway import Gateway

from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import BackendSeen, TextDelta
from codara.application.restoring import Restoring
from codara.events.loss import SessionSetBack
from codara.projections.views import Views
from tests import event_examples
from tests.log_checks import folds_strictly

HELLO, WHY = Said(USER, "hello"), Said(USER, "why?")


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    opened = await Gateway(tmp_path).open()
    yield opened
    assert opened.agent.wrong == []
    await folds_strictly(opened.house.log, opened.house.context.deciding)
    await opened.stop()


async def fresh_threads(turn: AgentTurn, sink: FrameSink) -> Outcome:
    """Goes on with the thread that it is given, else begins one that is named after the turn."""
    thread = turn.backend_id or f"thread of {turn.turn_id}"
    sink.frame(BackendSeen(thread))
    sink.frame(TextDelta("fine"))
    return Outcome(status="completed", backend_id=thread)


@asynccontextmanager
async def rows(gateway: Gateway) -> AsyncIterator[Views]:
    """Read models that are folded just now."""
    log = gateway.house.log
    folder = gateway.folder / f"rows{log.head()}"
    views = await Views.open(folder, log, clock=gateway.house.clock)
    try:
        await views.catch_up()
        yield views
    finally:
        await views.close()


async def set_back(gateway: Gateway) -> int:
    house = gateway.house
    async with rows(gateway) as views:
        restoring = Restoring(
            deciding=house.context.deciding,
            sessions=views.sessions,
            clock=house.clock,
            cause=event_examples.CAUSE,
        )
        number = await restoring.set_back()
    await gateway.models.fold()
    return number


async def statuses(gateway: Gateway) -> set[str]:
    async with rows(gateway) as views:
        page = await views.sessions.list(every=True)
    return {each.status for each in page.items}


async def a_chat(gateway: Gateway, kind: str) -> Chat:
    (chat,) = chats_of(gateway, [Profile(kind=kind)])
    await chat.ask(HELLO, "fine")
    await chat.ask(WHY, "because")
    return chat


@pytest.mark.parametrize("kind", [STATELESS, RESENDING])
async def test_a_chat_goes_on_in_its_session_and_a_fresh_thread_hears_all_of_it(
    gateway: Gateway, kind: str
) -> None:
    chat = await a_chat(gateway, kind)
    session_id, thread = chat.session_id, chat.backend_id
    assert await set_back(gateway) == 1
    assert await statuses(gateway) == {"dirty"}
    await chat.ask(Said(USER, "and now?"), "well")
    assert chat.result is not None
    assert (chat.result.thread, chat.result.dirty) == ("fresh", True)
    assert (chat.session_id == session_id, chat.backend_id == thread) == (True, False)
    assert await statuses(gateway) == {"idle"}
    await chat.ask(Said(USER, "and then?"), "done")
    assert (chat.result.thread, chat.result.dirty) == ("resumed", False)


async def test_a_named_session_that_gets_its_newest_message_alone_begins_a_fresh_thread(
    gateway: Gateway,
) -> None:
    gateway.agents.script = fresh_threads
    first = await gateway.house.ask("hello", session_label="mine")
    assert await set_back(gateway) == 1
    second = await gateway.house.ask("why?", session_label="mine")
    assert (second.session_id, second.thread, second.dirty) == (first.session_id, "fresh", True)
    assert second.backend_id != first.backend_id


async def test_an_earlier_message_of_a_chat_is_not_branched_from_a_thread_of_before(
    gateway: Gateway,
) -> None:
    chat = await a_chat(gateway, STATELESS)
    await set_back(gateway)
    chat.back(1)
    await chat.ask(Said(USER, "why then?"), "so")
    assert chat.result is not None
    assert chat.result.thread == "fresh"


async def test_setting_back_twice_sets_back_once(gateway: Gateway) -> None:
    await a_chat(gateway, STATELESS)
    assert (await set_back(gateway), await set_back(gateway)) == (1, 0)
    assert await gateway.house.the(SessionSetBack)


async def test_many_sessions_are_set_back_page_by_page(gateway: Gateway) -> None:
    chats = chats_of(gateway, [Profile()] * 120)
    for chat in chats:
        await chat.ask(HELLO, "fine")
    assert await set_back(gateway) == 120
    assert await statuses(gateway) == {"dirty"}
