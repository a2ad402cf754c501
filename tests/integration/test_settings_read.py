"""Each setting does something: it is read while a gateway is built, asked, and runs turns.

What is marked "not in this version" is read by nobody; once something reads it, the mark has to go.
"""

import argparse
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest

from codara.bootstrap import serving
from codara.cli import account
from codara.client import running
from codara.config.fields import settings_of
from codara.config.load import Loaded
from codara.config.providers import Provider, Providers
from codara.config.settings import ServerSettings, Settings
from codara.demo.run import running_gateway
from codara.runtimes import PROVIDERS, RUNTIMES
from tests.clis import CLIS
from tests.event_examples import SOON
from tests.login_files import FILES, written
from tests.read_settings import ReadSettings, remembering
from tests.scripted_agents import a_model_server, program_of

EVERY = list(settings_of(Settings()))
WITHOUT_LOGINS = {f"providers.{known.name}" for known in RUNTIMES if not known.logins}
"""Settings of logins are handed on by what serves all providers, and have no effect for these."""
NO_PRIMARY = "accounts.primary_floor_percent"
"""It is read, but no account can be made the primary one yet."""
PATHS = {cli.name: cli.path for cli in CLIS}


@attrs.frozen
class User:
    """Asks the gateway."""

    http: aiohttp.ClientSession
    address: str

    async def post(self, path: str, token: str, body: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}", "Origin": "https://ui.example"}
        async with self.http.post(f"{self.address}{path}", json=body, headers=headers) as answer:
            return await answer.json()


async def everything_happens(read: ReadSettings) -> None:
    """Starts a gateway, adds a key of each provider and a login, and runs a turn on each."""
    settings = read.settings
    async with running_gateway(settings) as gateway, aiohttp.ClientSession() as http:
        user = User(http, gateway.address)
        known = running.read(gateway.data_dir)
        assert known is not None
        await user.post("/management/v1/auth/token", "", {"operator_secret": "wrong"})
        for name in PROVIDERS:
            new = {"account_id": name, "provider": name, "auth_type": "API_KEY", "label": ""}
            await user.post(
                "/management/v1/accounts/upload",
                known.token,
                {**new, "credential_text": f"sk-{name}-0123456789"},
            )
        made = await user.post("/management/v1/users", known.token, {"email": "ann@example.org"})
        for name in PROVIDERS:
            asked = {"model": f"{name}/m", "messages": [{"role": "user", "content": "[[text:hi]]"}]}
            said = await user.post(
                "/v1/chat/completions", made["data"]["api_key"]["raw_key"], asked
            )
            assert said["choices"][0]["message"]["content"] == "hi", said
        await add_logins(settings)


async def add_logins(settings: Settings) -> None:
    """`codara account add` of each provider's login, with no file named."""
    for name in FILES:
        arguments = argparse.Namespace(
            id=f"{name}-login",
            provider=name,
            auth_type="OAUTH_SESSION",
            label="",
            credential_file=None,
            json=True,
        )
        with pytest.MonkeyPatch.context() as patch:
            found = Loaded(settings=settings, sources={})
            patch.setattr(account, "loaded", lambda _, found=found: found)
            assert await account.run_add(arguments) == 0


@pytest.fixture
async def readers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[dict[str, set[str]]]:
    """Who read which setting, after everything has happened."""
    monkeypatch.setattr(serving, "_spare_collector", lambda: None)
    for name, login in FILES.items():
        (tmp_path / name).write_bytes(written(login(SOON)))
    async with a_model_server() as address:
        providers = {
            name: Provider(
                binary=str(program_of(name)),
                base_url=address + PATHS[name],
                auth_path=tmp_path / name,
            )
            for name in PROVIDERS
        }
        server = ServerSettings(port=0, cors_origins=("https://ui.example",))
        settings = Settings.at(tmp_path / "data", server=server, providers=Providers(**providers))
        read = remembering(settings)
        await everything_happens(read)
    yield read.readers


async def test_a_setting_is_read_by_something_that_acts_on_it_or_it_is_marked(
    readers: dict[str, set[str]],
) -> None:
    unread = [each.path for each in EVERY if not each.later and each.path not in readers]
    assert unread == []
    marked = {each.path for each in EVERY if each.later and each.block not in WITHOUT_LOGINS}
    marked -= {NO_PRIMARY}
    assert {path: readers[path] for path in marked & readers.keys()} == {}
