"""What the house without a gateway refuses."""

from typing import Any, cast

import pytest

from codara.bootstrap.offline import NoTurns
from codara.errors import Conflict
from codara.events.base import Cause


async def test_no_turn_is_run_or_ended_where_no_gateway_runs() -> None:
    turns = NoTurns()
    with pytest.raises(Conflict, match="No gateway runs on this data folder, so no task does"):
        await turns.cancel("trn_1", None, Cause(actor="cli", correlation_id="c"))
    with pytest.raises(Conflict, match="No gateway runs"):
        await turns.submit(cast(Any, None))


def test_nobody_waits_where_no_gateway_runs() -> None:
    assert list(NoTurns().waiting()) == []
