"""What is particular to the real claude CLI; what it shares with the others is in `matrix`."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest

from codara.adapters.agents.contract import AgentSession, Answering
from codara.adapters.agents.home.homes import Homes
from codara.adapters.agents.house import RuntimeContext
from codara.adapters.egress.ways import WaysOut
from codara.adapters.jail.unsafe import Unsafe
from codara.application.ports.agents import AgentTurn
from codara.application.ports.frames import QuotaSeen
from tests.cli_scenes import KeyEach, Scene, key_of, runtime_of, scenes
from tests.clis import CLAUDE
from tests.fakes.journal import Journal
from tests.fakes.sink import Listener

pytestmark = [pytest.mark.cli, pytest.mark.asyncio(loop_scope="session")]

claude = scenes(CLAUDE)
both = scenes(CLAUDE, transports="persistent process")
also_alone = scenes(CLAUDE, soak="process")


@claude
async def test_the_api_is_asked_in_its_version(scene: Scene) -> None:
    await scene.run("hello")
    assert all("anthropic-version" in seen.headers for seen in scene.server.requests)


@also_alone
async def test_the_cost_of_a_turn_is_its_own(scene: Scene) -> None:
    first, one = await scene.run("hello")
    _, two = await scene.run("hello", backend_id=first.backend_id)
    assert one.usage is not None
    assert two.usage is not None
    before, after = one.usage.raw.newest[-1], two.usage.raw.newest[-1]
    assert after["cost_usd"] == pytest.approx(before["cost_usd"])
    assert (after["total_cost_usd"] > before["total_cost_usd"]) == scene.stays


@both
async def test_what_is_no_thread_id_is_replaced_by_a_fresh_thread(scene: Scene) -> None:
    told = {"backend_id": "no such thread", "fresh_prompt": "all of it [[history]]"}
    outcome, heard = await scene.run("[[history]]", **told)
    assert (outcome.status, heard.warnings) == ("completed", ["fresh_thread"])
    assert heard.text == "user messages: 1\n1. all of it [[history]]"
    again, heard = await scene.run("[[history]]", backend_id=outcome.backend_id)
    assert again.backend_id == outcome.backend_id
    assert heard.text.startswith("user messages: 2\n")


@claude
async def test_a_thread_of_claude_goes_on_with_another_model(scene: Scene) -> None:
    first, _ = await scene.run("hello")
    told = {"model": "no-such-model", "backend_id": first.backend_id}
    second, heard = await scene.run("[[history]]", **told)
    assert second.backend_id == first.backend_id
    assert heard.text.startswith("user messages: 2\n")
    assert scene.server.requests[-1].conversation.model == "no-such-model"
    assert "no-such-model" not in await scene.den.pool.models("claude")


@both
@pytest.mark.parametrize("prompt", ["/clear [[history]]", "/etc/passwd [[history]]"])
async def test_a_prompt_is_never_a_command_of_claudes_own(scene: Scene, prompt: str) -> None:
    outcome, heard = await scene.run(prompt)
    assert outcome.status == "completed"
    assert heard.text == f"user messages: 1\n1. {prompt}"


@claude
async def test_an_answer_that_was_cut_is_not_asked_for_again_unseen(scene: Scene) -> None:
    """What came and was not read yet goes down with the connection."""
    _, heard = await scene.run("[[fail:drop]]")
    assert "This answer breaks off".startswith(heard.text)
    assert len(scene.server.requests) == 1


@claude
async def test_the_quota_of_a_claude_account_is_seen(scene: Scene) -> None:
    _, heard = await scene.run("[[quota:87]] [[text:fine]]")
    (seen,) = heard.of(QuotaSeen)
    assert [(w.name, w.used_percent, w.minutes) for w in seen.windows] == [
        ("five_hour", 87, 300),
        ("seven_day", 43.5, 10080),
    ]


@also_alone
async def test_a_quota_that_is_used_up_is_seen(scene: Scene) -> None:
    _, heard = await scene.run("[[fail:429quota]]")
    assert heard.of(QuotaSeen)[-1].windows[0].used_percent == 100


@also_alone
async def test_a_server_that_never_begins_to_answer_stalls_the_turn(scene: Scene) -> None:
    patience = 1.5 if scene.stays else 10.0
    outcome, _ = await scene.run("[[hang:none]]", stall_timeout=patience)
    assert (outcome.status, outcome.cause) == ("failed", "stalled")
    outcome, heard = await scene.run("[[history]]", backend_id=outcome.backend_id)
    assert outcome.status == "completed"
    assert heard.text.startswith("user messages: 2\n")


@claude
async def test_a_claude_started_early_takes_the_turn_and_answers_when_asked(scene: Scene) -> None:
    turn = scene.den.turn("hello", model=CLAUDE.model)
    async with opened(scene, turn) as session:
        assert isinstance(session, Answering)
        assert session.serves(turn)
        assert await session.answers()
        outcome = await session.run(turn, Listener())
        assert outcome.status == "completed"
        assert not session.serves(turn)
        assert session.serves(attrs.evolve(turn, backend_id=outcome.backend_id))
        assert not session.serves(attrs.evolve(turn, backend_id=CLAUDE.nobody))
    assert not await session.answers()


@both
async def test_the_cli_lists_its_models_and_asks_nobody_for_them(scene: Scene) -> None:
    listed = await scene.learnt("sonnet[1m]")
    assert listed[0] == "sonnet"
    assert "haiku" in listed
    assert "default" not in listed
    assert not scene.server.paths


HOOKED = "codara-was-here"


def lawless(folder: Path, key: str) -> None:
    """Settings that would let claude show another key and run a program that nobody hears of."""
    folder.mkdir(parents=True, exist_ok=True)
    hook = {"type": "command", "command": f"touch {HOOKED}"}
    settings = {
        "env": {"ANTHROPIC_API_KEY": key, "CLAUDE_CODE_MAX_RETRIES": "9"},
        "hooks": {"SessionStart": [{"hooks": [hook]}], "UserPromptSubmit": [{"hooks": [hook]}]},
    }
    server = {"command": "touch", "args": [HOOKED]}
    for name in ("settings.json", "settings.local.json", "remote-settings.json"):
        (folder / name).write_text(json.dumps(settings))
    notes = {"env": settings["env"], "mcpServers": {"server": server}}
    (folder / ".claude.json").write_text(json.dumps(notes))
    (folder.parent / ".mcp.json").write_text(json.dumps({"mcpServers": {"server": server}}))


@both
async def test_settings_in_the_workspace_and_the_home_change_nothing_of_ours(scene: Scene) -> None:
    first, _ = await scene.run("hello")
    await scene.den.close_home("wsp_1")
    lawless(scene.den.workspace() / ".claude", "from-the-workspace")
    lawless(scene.den.root / "homes" / "wsp_1" / "claude" / ".claude", "from-the-home")
    for backend_id in (None, first.backend_id):
        outcome, _ = await scene.run("[[write:a.txt]] [[text:ok]]", backend_id=backend_id)
        assert outcome.status == "completed", outcome
    assert set(scene.keys) == {key_of("acc_1")}
    assert list(scene.den.root.rglob(HOOKED)) == []
    seen = len(scene.server.requests)
    outcome, _ = await scene.run("[[fail:500]]", backend_id=first.backend_id)
    assert outcome.cause == "overloaded"
    assert len(scene.server.requests) == seen + 3


@also_alone
async def test_the_memory_of_the_workspace_is_read(scene: Scene) -> None:
    await scene.den.close_home("wsp_1")
    (scene.den.turn("").folder / "CLAUDE.md").write_text("Speak like a pirate")
    outcome, _ = await scene.run("hello")
    assert outcome.status == "completed"
    assert b"Speak like a pirate" in scene.post.bodies[-1]


@asynccontextmanager
async def opened(scene: Scene, turn: AgentTurn) -> AsyncIterator[AgentSession]:
    """A session without walls and without a pool."""
    jails, ways = Unsafe(Journal()), WaysOut(Journal(), walls=False)
    await jails.start_up()
    homes = Homes(scene.den.root / "early")
    house = RuntimeContext(jails=jails, ways_out=ways, homes=homes, vault=KeyEach())
    session = await runtime_of(CLAUDE, house, base_url=scene.address).open(turn)
    try:
        yield session
    finally:
        await session.close()
        await jails.close()
        await ways.close()
