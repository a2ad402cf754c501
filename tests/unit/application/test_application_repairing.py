"""A repair of a workspace, as a command."""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from codara.application.repairing import Repairs
from codara.domain import workspace
from codara.errors import NotFound, WorkspaceBusy
from codara.events import streams
from codara.events.workspace import Holder, WorkspaceRepaired
from tests import event_examples
from tests.turn_setup import House, close_house, open_house

CAUSE = event_examples.by("user:usr_1")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    opened = await open_house(tmp_path)
    yield opened
    await close_house(opened)


def repairs(house: House) -> Repairs:
    return Repairs(
        deciding=house.context.deciding,
        workspaces=house.workspaces,
        clock=house.clock,
        new_id=house.context.new_id,
    )


async def test_a_repair_holds_the_workspace_says_what_it_did_and_lets_go(house: House) -> None:
    result = await house.ask()
    done, position = await repairs(house).repair(result.workspace_id, None, CAUSE)
    assert (done.folders, done.files) == (2, 1)
    assert position == house.context.log.head()
    trail = await house.trail("workspace")
    assert trail[-3:] == ["workspace.locked", "workspace.repaired", "workspace.unlocked"]
    told = [each.event for each in await house.context.log.read(0)]
    [repaired] = [event for event in told if isinstance(event, WorkspaceRepaired)]
    assert (repaired.folders, repaired.files, repaired.user_id) == (2, 1, "usr_1")
    assert (await house.ask("again")).thread == "resumed"


async def test_a_repair_that_fails_lets_go_as_well(house: House) -> None:
    result = await house.ask()
    house.workspaces.broken = True
    with pytest.raises(OSError):
        await repairs(house).repair(result.workspace_id, None, CAUSE)
    house.workspaces.broken = False
    assert (await house.trail("workspace"))[-1] == "workspace.unlocked"
    assert (await house.ask("again")).thread == "resumed"


async def test_another_users_workspace_is_not_there_to_be_repaired(house: House) -> None:
    result = await house.ask()
    for workspace_id, user_id in ((result.workspace_id, "usr_other"), ("wsp_none", None)):
        with pytest.raises(NotFound):
            await repairs(house).repair(workspace_id, user_id, CAUSE)
    assert "workspace.repaired" not in await house.trail("workspace")


async def test_a_workspace_that_something_else_holds_is_not_repaired(house: House) -> None:
    result = await house.ask()
    held = partial(
        workspace.lock,
        holder=Holder(kind="shell", id="she_1"),
        now=house.clock(),
        until=house.clock() + timedelta(seconds=60),
    )
    stream = streams.workspace(result.workspace_id)
    await house.context.deciding.decide_on(stream, held, CAUSE)
    with pytest.raises(WorkspaceBusy, match="shell she_1"):
        await repairs(house).repair(result.workspace_id, None, CAUSE)
