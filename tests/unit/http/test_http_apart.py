"""What keeps conversations apart over HTTP: callers, digests, what is not kept, providers."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from http_with_turns import OTHER_KEY, THEIR_KEY, Housed, housed, said

from codara.application.turns import offering
from codara.events.session import TurnCompleted
from tests import event_examples
from tests.http_reply import Reply

NAMED = {"client_session_id": "mine"}
ELSEWHERE = {"provider": "opencode", "model": "big-pickle"}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Housed]:
    async with housed(tmp_path) as opened:
        yield opened


# ---------------------------------------------------------------- ids that name nothing


@pytest.mark.parametrize("place", ["metadata", "header"])
@pytest.mark.parametrize("key", [OTHER_KEY, THEIR_KEY])
async def test_a_chat_id_that_is_anothers_session_joins_and_reveals_nothing(
    house: Housed, key: str, place: str
) -> None:
    named = await house.chat("hello", **NAMED)
    found = await house.chat("my salary is 91827", metadata={"chat_id": "mine"})
    for chat in (named.session, found.session, "mine"):
        answers = [
            await with_chat(house, place, chat, key, "hello", said("fine"), "more"),
            await with_chat(house, place, chat, key, "my salary is 91827", said("fine"), "more"),
            await with_chat(house, place, chat, key, "hello"),
        ]
        assert {(each.status, each.thread) for each in answers} <= {(200, "new"), (200, "resumed")}
        assert not {each.session for each in answers} & {named.session, found.session}
        assert all(each.ours["client_session_id"] is None for each in answers)
    assert house.agent.heard["codex-1"] == ["hello"]
    assert house.agent.heard["codex-2"] == ["my salary is 91827"]


async def with_chat(
    house: Housed, place: str, chat: str, key: str, *messages: dict[str, Any] | str
) -> Reply:
    if place == "metadata":
        return await house.chat(*messages, key=key, metadata={"chat_id": chat})
    return await house.chat(*messages, key=key, headers={"X-OpenWebUI-Chat-Id": chat})


async def test_a_chat_id_that_is_ones_own_session_joins_nothing_either(house: Housed) -> None:
    named = await house.chat("hello", **NAMED)
    for chat in (named.session, "mine"):
        other = await house.chat("hello", said("fine"), "more", metadata={"chat_id": chat})
        assert (other.thread, other.session == named.session) == ("new", False)
        house.agent.answer = f"fine, {chat}"
    assert house.agent.heard["codex-1"] == ["hello"]


async def test_anothers_session_is_refused_as_one_that_does_not_exist(house: Housed) -> None:
    theirs = (await house.chat("hello")).session
    refused = await house.chat("hello", key=THEIR_KEY, client_session_id=theirs)
    missing = await house.chat("hello", key=THEIR_KEY, client_session_id="ses_none")
    assert (refused.status, missing.status) == (404, 404)
    shown = str(refused.body).replace(theirs, "ses_none")
    assert shown == str(missing.body)


async def test_transcripts_whose_digests_begin_alike_are_kept_apart(
    house: Housed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A digest is 32 digits; here the first 24 of all of them are the same."""
    whole = offering._digest

    def short(key: bytes, text: str) -> str:
        return "0" * 24 + whole(key, text)[:8]

    monkeypatch.setattr(offering, "_digest", short)
    chats = [await house.chat(f"of {number}", said("yes"), "hello") for number in range(3)]
    named = await house.chat("of another", **NAMED)
    for number, chat in enumerate(chats):
        on = await house.chat(f"of {number}", said("yes"), "hello", said("fine"), "more")
        assert (on.session, on.thread) == (chat.session, "resumed")
    unknown = await house.chat("of nobody", said("yes"), "hello", said("fine"), "more")
    assert unknown.thread == "new"
    other = await house.chat("of nobody", said("fine"), "more", **NAMED)
    assert (other.session, other.thread) == (named.session, "fresh")
    assert len(house.agent.heard) == 6


async def test_a_point_is_found_by_its_whole_digest_alone(house: Housed) -> None:
    first = await house.chat("hello")
    await house.chat("hello", said("fine"), "more")
    ends = [each.event for each in await house.house.log.read(0, limit=1000)]
    point = [each for each in ends if isinstance(each, TurnCompleted)][-1].end.thread.point
    await house.folded()
    mine = {
        "caller": event_examples.KEY,
        "workspace_id": first.ours["workspace_id"],
        "provider": "codex",
    }
    for found in (house.views.points, house.house.context.finder):
        for whole in (True, False):
            digest, tail = (each if whole else alike(each) for each in (point.digest, point.tail))
            assert bool(await found.of_digests([digest], **mine)) is whole
            assert bool(await found.of_tail(tail, **mine)) is whole
            of_session = await found.of_session(first.session, [digest], provider="codex")
            assert bool(of_session) is whole


def alike(digest: str) -> str:
    """Another digest, whose last digit alone is another one."""
    return digest[:-1] + ("0" if digest[-1] != "0" else "1")


# ---------------------------------------------------------------- what is not kept


async def test_what_is_not_kept_is_never_found(house: Housed) -> None:
    lost = await house.chat("a secret", session_persistence=False)
    assert (lost.thread, lost.ours["client_session_id"]) == ("new", None)
    on = await house.chat("a secret", said("fine"), "more")
    assert (on.thread, on.session == lost.session) == ("new", False)
    assert house.agent.heard["codex-1"] == ["a secret"]


async def test_what_is_not_kept_goes_on_from_nothing(house: Housed) -> None:
    first = await house.chat("hello")
    lost = await house.chat("hello", said("fine"), "more", session_persistence=False)
    assert (lost.thread, lost.session == first.session) == ("new", False)
    assert house.agent.heard["codex-1"] == ["hello"]


async def test_what_is_not_kept_stays_out_of_the_session_that_it_names(house: Housed) -> None:
    named = await house.chat("hello", **NAMED)
    lost = await house.chat("a secret", session_persistence=False, **NAMED)
    assert (lost.thread, lost.ours["client_session_id"]) == ("new", None)
    assert lost.session != named.session
    on = await house.chat("more", **NAMED)
    assert (on.session, on.thread) == (named.session, "resumed")
    assert house.agent.heard == {"codex-1": ["hello", "more"], "codex-2": ["a secret"]}


async def test_what_is_not_kept_is_not_gone_on_with_by_its_id(house: Housed) -> None:
    lost = await house.chat("a secret", session_persistence=False)
    on = await house.chat("more", client_session_id=lost.session)
    assert (on.status, house.agent.heard["codex-1"]) == (200, ["a secret"])


# ---------------------------------------------------------------- manual mode


async def test_a_turn_in_manual_mode_may_only_read_and_answers_with_actions(
    house: Housed,
) -> None:
    house.agent.answer = "Do this:\n```diff\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-one\n+two\n```\n"
    manual = await house.chat("change x", manual_mode=True)
    assert house.house.agents.turns[0].read_only
    assert (manual.body["diff"], manual.body["modified_files"]) == ("", [])
    (action,) = manual.body["actions"]
    assert (action["path"], action["source"]) == ("x", "text")
    on = await house.chat("change x", said(house.agent.answer), "do it")
    assert (on.session, house.house.agents.turns[1].read_only) == (manual.session, False)


# ---------------------------------------------------------------- other providers


async def test_a_found_conversation_that_changes_its_provider_is_told_to_the_other(
    house: Housed,
) -> None:
    first = await house.chat("hello")
    other = await house.chat("hello", said("fine"), "ask the other one", **ELSEWHERE)
    assert (other.thread, other.session == first.session) == ("new", False)
    heard = house.agent.told[1]
    assert heard.index("hello") < heard.index("fine") < heard.index("ask the other one")
    asked = ["hello", said("fine"), "ask the other one", said("fine"), "and you?"]
    on = await house.chat(*asked, **ELSEWHERE)
    assert (on.session, on.thread, house.agent.told[2]) == (other.session, "resumed", "and you?")
    back = await house.chat(*asked)
    heard = house.agent.told[3]
    assert heard.index("ask the other one") < heard.index("and you?")
    assert back.session not in (other.session,)


async def test_a_named_conversation_that_changes_its_provider_is_one_all_along(
    house: Housed,
) -> None:
    house.agent.answer = "of codex"
    first = await house.chat("hello", **NAMED)
    house.agent.answer = "of opencode"
    asked = ["hello", said("of codex"), "ask the other one"]
    other = await house.chat(*asked, **ELSEWHERE, **NAMED)
    heard = house.agent.heard["opencode-2"][0]
    assert heard.index("hello") < heard.index("of codex") < heard.index("ask the other one")
    house.agent.answer = "of codex again"
    asked += [said("of opencode"), "and you?"]
    back = await house.chat(*asked, **NAMED)
    assert {first.session, other.session, back.session} == {first.session}
    assert back.thread == "resumed"
    heard = house.agent.heard["codex-1"][1]
    assert heard.index("ask the other one") < heard.index("of opencode") < heard.index("and you?")
    assert "hello" not in heard
    asked += [said("of codex again"), "and the other?"]
    again = await house.chat(*asked, **ELSEWHERE, **NAMED)
    assert (again.session, again.thread) == (first.session, "resumed")
    heard = house.agent.heard["opencode-2"][1]
    assert heard.index("and you?") < heard.index("of codex again") < heard.index("and the other?")
    assert "ask the other one" not in heard
