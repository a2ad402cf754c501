"""The real CLIs on logins: what they are lent is a placeholder, and the server sees the token."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
from aiohttp import web

from codara.adapters.agents.registry import login_forms, maker
from codara.adapters.jail import processes
from codara.application.ports.agents import Outcome
from codara.application.ports.frames import BackendSeen, QuotaSeen
from codara.config.providers import Provider, Providers
from codara.demo.modelserver import ModelServer
from tests.agent_pool import Den, a_den_of
from tests.cli_scenes import KeyEach, key_of, need
from tests.clis import CLAUDE, CODEX, GEMINI, Cli
from tests.fakes.logins import ACCOUNT_HEADER, FakeLogins
from tests.fakes.sink import Listener

pytestmark = pytest.mark.cli

LOGIN_PATHS = {"codex": "/backend-api/codex", "claude": "", "gemini": ""}


@attrs.frozen
class Scene:
    cli: Cli
    den: Den
    server: ModelServer
    logins: FakeLogins

    async def run(self, prompt: str, **changes: Any) -> tuple[Outcome, Listener]:
        return await self.den.run(prompt, **{"model": self.cli.model, "on_login": True, **changes})

    @property
    def shown(self) -> list[str]:
        """What the model server was shown, request by request: a token or a key."""
        found = []
        for seen in self.server.requests:
            key = seen.headers.get("x-api-key") or seen.headers.get("x-goog-api-key")
            found.append(key or seen.authorization.removeprefix("Bearer "))
        return found


@pytest.fixture
async def scene(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    cli, transport = request.param
    need(cli)
    server, logins = ModelServer(), FakeLogins()
    server.code_assist.project_of = lambda token: token.rpartition("-")[2]
    runner = web.AppRunner(server.application(), handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    settings = Provider(
        binary=cli.name,
        transport=transport,
        base_url=address + cli.path,
        login_base_url=address + LOGIN_PATHS[cli.name],
    )
    root = Path(tempfile.mkdtemp(prefix="codara-test-"))
    root.chmod(0o755)

    def make(house: Any) -> Any:
        return maker(cli.name)(settings, attrs.evolve(house, logins=logins))

    try:
        async with a_den_of(root, make, walls=True, vault=KeyEach()) as den:
            yield Scene(cli, den, server, logins)
    finally:
        await runner.cleanup()
        shutil.rmtree(root)


def clis(*chosen: Cli, soak: bool = True) -> pytest.MarkDecorator:
    """Each CLI by the transport that stays; by a process per turn in the long torture."""
    cases = [
        pytest.param(
            (cli, transport),
            id=f"{cli.name}-{transport}",
            marks=[
                pytest.mark.xdist_group(cli.name),
                *([pytest.mark.soak] if transport == "process" else []),
            ],
        )
        for cli in chosen
        for transport in ("persistent", *(("process",) if soak else ()))
    ]
    return pytest.mark.parametrize("scene", cases, indirect=True)


every = clis(CODEX, CLAUDE, GEMINI)


def environments(den: Den) -> bytes:
    """All variables and command lines in the jail of the last turn."""
    top = den.journal.pid_of["wsp_1"]
    found = b""
    for pid in (top, *processes.descendants(top)):
        for name in ("environ", "cmdline"):
            with suppress(ProcessLookupError, FileNotFoundError):
                found += Path("/proc", str(pid), name).read_bytes()
    return found


async def inside_of_a_turn(scene: Scene) -> bytes:
    """What there is to see in the jail while a turn runs."""
    begun = asyncio.Event()
    turn = scene.den.turn("[[hang:mid]]", model=scene.cli.model, on_login=True)
    heard = Listener().hope(BackendSeen, begun)
    running = asyncio.create_task(scene.den.pool.run(turn, heard))
    await begun.wait()
    inside = await asyncio.to_thread(environments, scene.den)
    running.cancel()
    await asyncio.wait({running})
    return inside


def files(den: Den) -> bytes:
    """All that is in the agents' homes and workspaces."""
    return b"".join(path.read_bytes() for path in den.root.rglob("*") if path.is_file())


@every
async def test_the_server_sees_the_token_and_the_jail_never_has_it(scene: Scene) -> None:
    outcome, heard = await scene.run("hello")
    assert outcome.status == "completed", outcome
    inside = await inside_of_a_turn(scene)
    token = scene.logins.token_of("acc_1")
    assert set(scene.shown) == {token}
    assert inside
    secrets = token.encode(), key_of("acc_1").encode()
    for place in (inside, await asyncio.to_thread(files, scene.den), b"".join(heard.lines)):
        assert not any(secret in place for secret in secrets)


@clis(CODEX)
async def test_requests_on_a_chatgpt_login_name_its_account(scene: Scene) -> None:
    await scene.run("hello")
    assert {seen.headers[ACCOUNT_HEADER] for seen in scene.server.requests} == {"id-of-acc_1"}
    assert {seen.path for seen in scene.server.requests} == {"/backend-api/codex/responses"}


@clis(CLAUDE)
async def test_claude_speaks_as_a_login_does(scene: Scene) -> None:
    await scene.run("hello")
    assert all("oauth-" in seen.headers["anthropic-beta"] for seen in scene.server.requests)


@clis(GEMINI)
async def test_what_is_left_of_a_google_logins_quota_is_told(scene: Scene) -> None:
    _, heard = await scene.run("hello")
    [quota] = heard.of(QuotaSeen)
    assert [(window.name, window.used_percent) for window in quota.windows] == [
        ("gemini-2.5-pro", 25.0)
    ]


@clis(GEMINI, soak=False)
async def test_the_installed_gemini_tells_the_oauth_client_of_its_logins(scene: Scene) -> None:
    form = login_forms(Providers())["gemini"]
    grant = await form.grant({"access_token": "a", "refresh_token": "r"})
    assert grant is not None
    assert grant.fields["client_id"].endswith(".apps.googleusercontent.com")
    assert grant.fields["client_secret"]


@every
async def test_a_key_and_logins_take_turns_in_one_thread(scene: Scene) -> None:
    accounts = [("acc_1", False), ("acc_2", True), ("acc_3", True), ("acc_1", False)]
    thread, shown = None, []
    for number, (account_id, on_login) in enumerate(accounts, 1):
        outcome, heard = await scene.run(
            "[[history]]", account_id=account_id, on_login=on_login, backend_id=thread
        )
        assert outcome.status == "completed", outcome
        assert heard.text.startswith(f"user messages: {number}\n")
        assert thread in (None, outcome.backend_id)
        thread = outcome.backend_id
        shown.append(scene.logins.token_of(account_id) if on_login else key_of(account_id))
    assert list(dict.fromkeys(scene.shown)) == list(dict.fromkeys(shown))


@clis(CODEX, soak=False)
async def test_codex_serves_keys_and_logins_in_one_process(scene: Scene) -> None:
    for account_id, on_login in [("acc_1", False), ("acc_2", True), ("acc_1", False)]:
        await scene.run("hello", account_id=account_id, on_login=on_login)
    assert scene.den.journal.started_jails == 1


@clis(CLAUDE, soak=False)
async def test_claude_serves_all_logins_in_one_process_and_keys_in_another(scene: Scene) -> None:
    first, _ = await scene.run("hello", account_id="acc_1")
    await scene.run("hello", account_id="acc_2", backend_id=first.backend_id)
    assert scene.den.journal.started_jails == 1
    await scene.run("hello", on_login=False, backend_id=first.backend_id)
    assert scene.den.journal.started_jails == 2


@every
async def test_a_token_that_wears_out_in_the_middle_of_a_turn_is_refreshed_unseen(
    scene: Scene,
) -> None:
    scene.server.refuse_key(scene.logins.token_of("acc_1"), "401")
    outcome, heard = await scene.run("[[write:a.txt=one]] [[text:Done]]")
    assert (outcome.status, heard.text) == ("completed", "Done")
    assert scene.logins.worn == {"acc_1": 1}
    assert set(scene.shown[1:]) == {scene.logins.token_of("acc_1")}


@every
async def test_a_login_that_is_over_is_told_as_such(scene: Scene) -> None:
    scene.logins.over = True
    scene.server.refuse_key(scene.logins.token_of("acc_1"), "401")
    outcome, _ = await scene.run("hello")
    assert (outcome.status, outcome.cause) == ("failed", "auth_failed"), outcome
