"""A turn as the agents' adapters are given it; nothing of it exists."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs

from codara.application.ports.agents import AgentTurn
from codara.clock import utc_now


def turn(workspace_id: str = "wsp_1", **changes: Any) -> AgentTurn:
    ready = AgentTurn(
        turn_id="trn_1",
        user_id="usr_1",
        workspace_id=workspace_id,
        folder=Path("/nowhere"),
        provider="codex",
        model="m",
        account_id="acc_1",
        instructions="",
        prompt="hello",
        fresh_prompt="hello",
        backend_id=None,
        read_only=False,
        until=utc_now() + timedelta(seconds=60),
        stall_timeout=30.0,
    )
    return attrs.evolve(ready, **changes)
