"""An account or a process fails; as long as nothing has come of the turn, nobody notices."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from codara.adapters.jail import processes
from tests.clis import CLAUDE, CODEX, GEMINI, OPENCODE, Cli
from tests.gateway_process import ACCOUNT, SECRET, Gateway, gateway

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]

FIRST = "acc-first"
OTHER = "acc-other"
OTHER_SECRET = "sk-another-real-key"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path) as opened:
        yield opened


async def lend(house: Gateway, provider: str, account_id: str, secret: str) -> None:
    account = {
        "account_id": account_id,
        "provider": provider,
        "auth_type": "API_KEY",
        "label": account_id,
        "credential_text": secret,
    }
    assert (await house.operator("POST", "/accounts/upload", account)).status == 201


async def second_account(house: Gateway) -> None:
    await lend(house, "codex", OTHER, OTHER_SECRET)


async def one_account_of(house: Gateway, cli: Cli) -> str:
    """Its id; the runtime speaks to the model server from now on."""
    if cli is CODEX:
        return ACCOUNT
    house.settings = f'[providers.{cli.name}]\nbase_url = "{house.model_address}{cli.path}"\n'
    await house.stop()
    await house.start()
    await house.operator("DELETE", f"/accounts/{ACCOUNT}")
    await lend(house, cli.name, FIRST, SECRET)
    return FIRST


async def happened(house: Gateway, action: str) -> int:
    """How often."""
    listed = await house.operator("GET", f"/audit?action={action}")
    return len(listed.data)


async def last_task(house: Gateway) -> dict[str, object]:
    found: dict[str, object] = (await house.operator("GET", "/tasks?limit=1")).data[0]
    return found


def keys_seen(house: Gateway, cli: Cli = CODEX) -> list[str]:
    return [cli.key_of(seen) for seen in house.models.requests]


async def agents_of(house: Gateway) -> list[int]:
    """The processes below the gateway that are agents of its users."""
    assert house.process is not None
    below = await asyncio.to_thread(processes.descendants, house.process.pid)
    return [pid for pid in below if _is_agent(pid, house.data_dir / "workspaces")]


def _is_agent(pid: int, workspaces: Path) -> bool:
    """Not one that is only asked for its models, in a folder of its own."""
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        return name == "codex" and Path(f"/proc/{pid}/cwd").readlink().is_relative_to(workspaces)
    except OSError:
        return False


@pytest.mark.parametrize(
    ("cli", "kind", "status"),
    [
        pytest.param(cli, kind, status, id=f"{cli.name}-{kind}")
        for cli, kind, status in (
            (CODEX, "401", "error"),
            (CODEX, "429quota", "exhausted"),
            (CODEX, "429", "cooldown"),
            (GEMINI, "429quota", "exhausted"),
            (OPENCODE, "429quota", "exhausted"),
            (CLAUDE, "429quota", "exhausted"),
        )
    ],
)
async def test_the_conversation_goes_on_with_another_account(
    house: Gateway, cli: Cli, kind: str, status: str
) -> None:
    account_id = await one_account_of(house, cli)
    model = f"{cli.name}/{cli.model}"
    first = await house.chat("[[text:one]]", model=model)
    assert first.status == 200, first.body
    await lend(house, cli.name, OTHER, OTHER_SECRET)
    house.models.refuse_key(OTHER_SECRET, kind)
    second = await house.chat("[[history]]", model=model)
    assert second.status == 200, second.body
    codara = second.body["codara"]
    assert codara["thread"] == "resumed"
    assert codara["backend_id"] == first.body["codara"]["backend_id"]
    assert "[[text:one]]" in second.body["choices"][0]["message"]["content"]
    assert OTHER_SECRET in keys_seen(house, cli)
    assert keys_seen(house, cli)[-1] == SECRET
    assert (await last_task(house))["account_id"] == account_id
    account = await house.operator("GET", f"/accounts/{OTHER}")
    assert account.data["status"] == status
    assert await happened(house, "session.account_changed") == 1
    third = await house.chat("[[text:three]]", model=model)
    assert third.status == 200
    assert await happened(house, "session.account_changed") == 1


async def test_when_no_account_is_left_the_earliest_return_is_told(house: Gateway) -> None:
    await second_account(house)
    house.models.refuse_key(SECRET, "429quota")
    house.models.refuse_key(OTHER_SECRET, "429quota")
    refused = await house.chat("[[text:one]]")
    assert (refused.status, refused.code) == (429, "all_accounts_cooling")
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    assert {SECRET, OTHER_SECRET} == set(keys_seen(house))
    again = await house.chat("[[text:one]]")
    assert (again.status, again.code) == (429, "all_accounts_cooling")


async def test_nothing_is_done_twice_once_a_tool_has_run(house: Gateway) -> None:
    await house.chat("[[text:warm]]")
    await second_account(house)
    failed = await house.chat("[[append:log.txt=once]] [[fail:429quota]]")
    assert (failed.status, failed.code) == (502, "agent_failed")
    assert failed.body["codara"]["cause"] == "quota_exhausted"
    assert failed.headers["x-should-retry"] == "false"
    assert await happened(house, "session.account_changed") == 0
    (log,) = (house.data_dir / "workspaces").rglob("log.txt")
    assert log.read_text().count("once") == 1


async def test_a_killed_agent_is_replaced_by_a_fresh_one(house: Gateway) -> None:
    await house.chat("[[text:warm]]")
    before = await agents_of(house)
    asked = len(house.models.requests)
    turn = asyncio.create_task(house.chat("[[sleep:2]] [[text:alive]]"))
    async with asyncio.timeout(30):
        while len(house.models.requests) == asked:
            await asyncio.sleep(0.01)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    answer = await turn
    assert answer.status == 200, answer.body
    assert answer.body["choices"][0]["message"]["content"] == "alive"
    assert answer.body["codara"]["thread"] == "resumed"
    assert await happened(house, "session.turn_retried") == 1
    assert set(await agents_of(house)).isdisjoint(before)


async def test_an_agent_that_lost_the_thread_says_so_and_hears_everything(house: Gateway) -> None:
    first = await house.chat("[[text:one]]", client_session_id="s")
    await house.stop()
    for home in (house.data_dir / "homes").glob("*/codex"):
        shutil.rmtree(home)
    await house.start()
    told = [
        {"role": "user", "content": "[[text:one]]"},
        {"role": "assistant", "content": "one"},
        {"role": "user", "content": "[[history]]"},
    ]
    second = await house.chat("", messages=told, client_session_id="s")
    assert second.status == 200, second.body
    codara = second.body["codara"]
    assert codara["thread"] == "fresh"
    assert codara["backend_id"] != first.body["codara"]["backend_id"]
    assert "[[text:one]]" in second.body["choices"][0]["message"]["content"]
    assert (await last_task(house))["thread"] == "fresh"
    third = await house.chat("[[text:three]]", client_session_id="s")
    assert third.body["codara"]["thread"] == "resumed"
