from pathlib import Path

import pytest

from codara.bootstrap.doctor import logins
from codara.bootstrap.doctor.findings import OK, WARN, Pool
from codara.config.providers import Provider, Providers
from codara.config.settings import Settings
from tests.event_examples import SOON
from tests.login_files import FILES, written

PLACES = {
    "claude": ".claude/.credentials.json",
    "codex": ".codex/auth.json",
    "gemini": ".gemini/oauth_creds.json",
}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """The home of the host's own user."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def row(provider="codex", auth_type="API_KEY", status="ready"):
    return {"provider": provider, "auth_type": auth_type, "status": status}


async def found(*pool, **providers):
    settings = Settings.at(Path("/nowhere"), providers=Providers(**providers))
    return {check.name: check for check in await logins.logins(settings, Pool(rows=pool))}


def log_in(provider, home):
    path = home / PLACES[provider]
    path.parent.mkdir()
    path.write_bytes(written(FILES[provider](SOON)))
    return path


async def test_keys_and_logins_of_the_pool_are_counted():
    login = row(auth_type="OAUTH_SESSION")
    checks = await found(row(), login, {**login, "status": "error"}, row("opencode"))
    assert checks["codex login"].detail.startswith("pool: 1 key, 2 logins (1 ready);")
    assert checks["claude login"].detail.startswith("pool: nothing;")
    assert checks["opencode login"].detail == "pool: 1 key; it has no logins of its own"
    assert {check.status for check in checks.values()} == {OK}


@pytest.mark.parametrize("provider", PLACES)
async def test_a_login_of_the_host_is_named(provider, home):
    path = log_in(provider, home)
    check = (await found())[f"{provider} login"]
    assert (check.status, check.remedy) == (OK, "")
    assert check.detail == f"pool: nothing; the host's own login is {path}"


async def test_a_pool_that_cannot_be_read_is_not_said_to_be_empty():
    checks = await logins.logins(Settings.at(Path("/nowhere")), Pool(trouble="locked"))
    assert all(check.detail.startswith("pool: unknown;") for check in checks)


async def test_a_login_elsewhere_is_looked_for_where_the_settings_say(tmp_path):
    file = tmp_path / "auth.json"
    file.write_bytes(written(FILES["codex"](SOON)))
    check = (await found(row(), codex=Provider(binary="codex", auth_path=file)))["codex login"]
    assert f"the host's own login is {file}" in check.detail


@pytest.mark.parametrize("text", [None, "no json", '{"auth_mode": "apikey"}'])
async def test_an_auth_path_without_a_login_is_warned_of(tmp_path, text):
    file = tmp_path / "auth.json"
    if text is not None:
        file.write_text(text)
    check = (await found(row(), codex=Provider(binary="codex", auth_path=file)))["codex login"]
    assert check.status == WARN
    assert str(file) in check.detail
