"""Health of a whole house: what its providers lack, while accounts come and go."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from codara.adapters.jail import spawner
from codara.adapters.jail.probe import JailCheck, ProbeResult
from codara.application.accounts import NewAccount
from codara.application.users import NewUser
from codara.bootstrap import checks, serving
from codara.bootstrap.house import House
from codara.bootstrap.offline import offline
from codara.config.jail import JailSettings
from codara.config.load import Loaded
from codara.config.providers import Provider, Providers
from codara.config.settings import ServerSettings, Settings
from codara.errors import NotFound, StorageFailed
from codara.events.base import Cause
from codara.events.store import checker, proving
from codara.http.services import Services
from codara.runtimes import PROVIDERS
from tests.old_logs import without_digests

CLI = Cause(actor="cli", correlation_id="req_test")
KEY = NewAccount(
    account_id="main", provider="codex", auth_type="API_KEY", label="", credential=b"sk-1"
)


def loaded(folder: Path, binary: str = "/bin/true") -> Loaded:
    named = {name: Provider(binary=binary) for name in PROVIDERS}
    return Loaded(settings=Settings.at(folder, providers=Providers(**named)), sources={})


async def lacks(services: Services, provider: str = "codex") -> list[str]:
    """What this provider lacks once the read models have the whole log."""
    views = services.views
    assert await views.wait_for(views.head(), 5.0)
    return [each for each in await services.health.warnings() if each.startswith(provider)]


async def test_a_gateway_without_accounts_lacks_one_of_each_provider(tmp_path: Path) -> None:
    async with offline(loaded(tmp_path)) as services:
        expected = [f"{name}: no account is registered" for name in PROVIDERS]
        assert await services.health.warnings() == expected
        assert services.health.reasons() == []


def damaged(log: Path) -> int:
    """Changes the name of the event that registered the account; returns its position."""
    with closing(sqlite3.connect(log)) as database, database:
        database.execute("DROP TRIGGER stored_events_refuse_update")
        where = "WHERE topic = 'account.registered'"
        [(position,)] = database.execute(f"SELECT position FROM stored_events {where}")
        database.execute(f"UPDATE stored_events SET topic = 'x' {where}")
    return int(position)


async def test_damage_in_the_log_is_named_by_health_while_the_rest_is_answered(
    tmp_path: Path,
) -> None:
    async with offline(loaded(tmp_path)) as services:
        await services.accounts.register(KEY, CLI)
        assert await services.views.wait_for(services.views.head(), 5.0)
    position = damaged(tmp_path / "events.db")
    async with offline(loaded(tmp_path)) as services:
        reasons = "; ".join(services.health.reasons())
        assert "the log takes no writes" in reasons
        assert f"the event at position {position} (account/main, version 1)" in reasons
        assert "restore a backup" in reasons
        assert services.health.progress() == []
        assert [each.account_id for each in (await services.views.accounts.list()).items]
        with pytest.raises(StorageFailed, match=f"position {position}"):
            await services.users.provision(NewUser(email="ada@example.org"), CLI)


async def test_read_models_that_meet_damage_stop_in_front_of_it_and_say_why(
    tmp_path: Path,
) -> None:
    async with offline(loaded(tmp_path)) as services:
        await services.accounts.register(KEY, CLI)
    position = damaged(tmp_path / "events.db")
    shutil.rmtree(tmp_path / "views")
    async with offline(loaded(tmp_path)) as services:
        async with asyncio.timeout(20):
            while "read model accounts" not in str(services.health.reasons()):
                await asyncio.sleep(0.005)
        reasons = [each for each in services.health.reasons() if "read model accounts" in each]
        assert f"the event at position {position} (account/main" in reasons[0]
        assert services.views.position() == position - 1


async def test_a_log_of_an_earlier_version_is_told_to_be_unproven_until_it_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with offline(loaded(tmp_path)) as services:
        await services.accounts.register(KEY, CLI)
    without_digests(tmp_path / "events.db")
    monkeypatch.setattr(checker, "EVENTS_AT_ONCE", 1)
    monkeypatch.setattr(proving, "PAUSE_SECONDS", 3600.0)
    async with offline(loaded(tmp_path)) as services:
        async with asyncio.timeout(20):
            while not services.health.progress():
                await asyncio.sleep(0.005)
        [line] = services.health.progress()
        assert line.startswith("the log is checked up to event ")
        assert services.health.reasons() == []


async def test_accounts_that_come_and_go_are_counted_at_once(tmp_path: Path) -> None:
    async with offline(loaded(tmp_path)) as services:
        accounts = services.accounts
        await accounts.register(KEY, CLI)
        assert await lacks(services) == []
        await accounts.cooldown("main", CLI, seconds=3600.0)
        [told] = await lacks(services)
        assert told.startswith("codex: no account may be lent (1 codex account: 1 cooling down")
        await accounts.recover("main", CLI)
        assert await lacks(services) == []
        await accounts.remove("main", CLI)
        assert await lacks(services) == ["codex: no account is registered"]
        with pytest.raises(NotFound):
            await accounts.recover("main", CLI)


async def test_a_binary_that_is_not_there_is_said_without_its_path(tmp_path: Path) -> None:
    async with offline(loaded(tmp_path, "/home/ann/no-such-codex")) as services:
        await services.accounts.register(KEY, CLI)
        assert await lacks(services) == ["codex: its program is missing"]


def test_a_log_that_can_be_written_has_no_trouble(tmp_path: Path) -> None:
    log = tmp_path / "events.db"
    log.touch()
    assert list(checks.disk_trouble(log)) == []


def test_a_log_whose_file_was_taken_away_is_in_trouble(tmp_path: Path) -> None:
    [told] = checks.disk_trouble(tmp_path / "events.db")
    assert "the log's file is gone" in told


def test_a_log_on_a_full_disk_is_in_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "events.db"
    log.touch()
    monkeypatch.setattr(checks, "free", lambda _: 4096)
    assert list(checks.disk_trouble(log)) == ["the disk of the log is full: make room on it"]


async def test_a_jail_that_holds_no_longer_is_in_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spawner, "SYSTEM_PATH", str(tmp_path))
    settings = Settings.at(tmp_path)
    [_, jail] = checks.repeated_checks(settings)
    await jail.once()
    assert list(jail.reasons()) == [checks.NO_JAIL]


async def test_a_jail_that_holds_is_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def probe(*, uid: int) -> ProbeResult:
        assert uid == Settings.at(tmp_path).jail.uid
        return ProbeResult(ok=True, checks=(JailCheck(name="jail", ok=True),))

    monkeypatch.setattr(checks, "probe", probe)
    [_, jail] = checks.repeated_checks(Settings.at(tmp_path))
    await jail.once()
    assert list(jail.reasons()) == []


class DoorsOpen(Exception):
    """Ends the start at the moment at which requests would be answered."""


async def test_nobody_is_answered_before_recovery_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    recover = serving._recover

    async def recovering(house: House) -> None:
        await recover(house)
        steps.append("recovered")

    async def opening(*_: object) -> None:
        steps.append("doors open")
        raise DoorsOpen

    monkeypatch.setattr(serving, "_recover", recovering)
    monkeypatch.setattr(serving, "_open_doors", opening)
    unjailed = Settings.at(
        tmp_path, server=ServerSettings(port=0), jail=JailSettings(mode="unsafe")
    )
    with pytest.raises(DoorsOpen):
        await serving.serve(
            Loaded(settings=unjailed, sources={}), accept_unjailed=True, on_ready=lambda _: None
        )
    assert steps == ["recovered", "doors open"]


def test_without_walls_there_is_no_jail_to_try(tmp_path: Path) -> None:
    unjailed = Settings.at(tmp_path, jail=JailSettings(mode="unsafe"))
    assert [each.what for each in checks.repeated_checks(unjailed)] == ["the disk of the log"]
