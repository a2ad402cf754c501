"""Questions between us and an agent, when one of the two is no longer there."""

import asyncio
from typing import Any

import pytest

from codara.adapters.agents.claude.process import ClaudeProcess
from codara.adapters.agents.session.answers import Gone
from codara.adapters.agents.session.rpc import Rpc
from tests.fakes.jail import Box

RPC = (Rpc, lambda rpc: rpc.call("initialize"), b'{"id": 7, "method": "may/i"}')
CLAUDE = (ClaudeProcess, lambda process: process.ask("initialize"), b'{"type": "control_request"}')

both = pytest.mark.parametrize(("channel", "ask", "asks"), [RPC, CLAUDE], ids=["rpc", "claude"])


def closed(_: bytes) -> None:
    raise RuntimeError("the handler is closed")


@both
async def test_an_agent_that_asks_and_ends_is_not_called_unreadable(
    monkeypatch: pytest.MonkeyPatch, channel: Any, ask: Any, asks: bytes
) -> None:
    box = Box()
    monkeypatch.setattr(box.stdin, "write", closed)
    process = channel(box, lambda line, message: None)
    box.write(asks)
    assert (await process.ended()).broken == ""


@both
async def test_whoever_waits_for_an_agent_that_ends_hears_of_it(
    channel: Any, ask: Any, asks: bytes
) -> None:
    box = Box()
    process = channel(box, lambda line, message: None)
    asking = asyncio.ensure_future(ask(process))
    await asyncio.sleep(0)
    box.write()
    with pytest.raises(Gone):
        await asking
    await process.ended()
    with pytest.raises(Gone):
        await ask(process)
