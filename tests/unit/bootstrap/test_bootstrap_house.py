"""The house is closed in the order opposite to that in which it was opened, whatever fails."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codara.adapters.agents.pool.pool import AgentPool
from codara.adapters.egress.ways import WaysOut
from codara.adapters.jail.unsafe import Unsafe
from codara.adapters.spool import FileSpool
from codara.adapters.vault.vault import FileVault
from codara.adapters.workspaces.folders import Folders
from codara.application.operators import Operators
from codara.application.refreshing import KeptLogins
from codara.bootstrap.house import open_house
from codara.config.load import Loaded, load
from codara.errors import LogLocked
from codara.events.store.log import EventLog
from codara.projections.views import Views

IN_ORDER = [
    Operators,
    AgentPool,
    KeptLogins,
    FileSpool,
    Folders,
    Unsafe,
    WaysOut,
    Views,
    EventLog,
    FileVault,
]
STORE = [Views, EventLog, FileVault]


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    environ = {"CODARA_DATA_DIR": str(tmp_path / "data"), "CODARA_JAIL_MODE": "unsafe"}
    return load(environ={**environ, "XDG_CONFIG_HOME": str(tmp_path)})


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[type]:
    """The classes whose parts were closed, in order."""
    found: list[type] = []

    def noting(kind: type) -> Callable[[Any], Any]:
        close = kind.close  # type: ignore[attr-defined]

        async def noted(part: Any) -> None:
            found.append(kind)
            await close(part)

        return noted

    for kind in IN_ORDER:
        monkeypatch.setattr(kind, "close", noting(kind))
    return found


async def test_the_parts_are_closed_in_the_opposite_order(
    loaded: Loaded, closed: list[type]
) -> None:
    async with open_house(loaded) as house:
        assert house.log.head() > 0
        assert house.new_passkey
        assert closed == []
    assert closed == IN_ORDER


async def test_a_part_that_cannot_be_closed_keeps_none_of_the_others_open(
    loaded: Loaded, closed: list[type], monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = FileSpool.close

    async def failing(spool: FileSpool) -> None:
        await noted(spool)
        raise OSError("no such device")

    monkeypatch.setattr(FileSpool, "close", failing)
    with pytest.raises(OSError, match="no such device"):
        async with open_house(loaded):
            pass
    assert closed == IN_ORDER


async def test_what_is_open_when_a_part_cannot_be_opened_is_closed(
    loaded: Loaded, closed: list[type], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(views: Views) -> None:
        raise OSError("no such device")

    monkeypatch.setattr(Views, "start", failing)
    with pytest.raises(OSError, match="no such device"):
        async with open_house(loaded):
            raise AssertionError("it is not open")
    assert closed == STORE


async def test_a_house_on_a_log_that_is_held_opens_not_even_its_vault(
    loaded: Loaded, closed: list[type]
) -> None:
    async with open_house(loaded):
        with pytest.raises(LogLocked):
            async with open_house(loaded):
                raise AssertionError("it is not open")
        assert closed == []
    assert closed == IN_ORDER


async def test_an_error_of_the_work_in_the_house_comes_out_as_it_is(
    loaded: Loaded, closed: list[type]
) -> None:
    with pytest.raises(KeyError, match="the work"):
        async with open_house(loaded):
            raise KeyError("the work")
    assert closed == IN_ORDER
