import json
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from codara.adapters.agents.claude.login import CLIENT_ID as CLAUDE_CLIENT
from codara.adapters.agents.claude.login import ClaudeForm
from codara.adapters.agents.codex.login import CLIENT_ID as CODEX_CLIENT
from codara.adapters.agents.codex.login import CodexForm
from codara.adapters.agents.gemini.login import GeminiForm, client_in
from codara.adapters.logins.refresher import VendorRefresher
from codara.demo.logins import TokenEndpoint
from codara.errors import AgentFailed
from tests.event_examples import NOW
from tests.login_files import CHATGPT_ACCOUNT, FILES, access_token, written

SOON = NOW + timedelta(hours=1)
CLIENTS = {"claude": CLAUDE_CLIENT, "codex": CODEX_CLIENT, "gemini": "client-1"}


def forms(texts=()):
    return {"claude": ClaudeForm(), "codex": CodexForm(), "gemini": GeminiForm(lambda: texts)}


@pytest.fixture
async def vendor(aiohttp_server):
    made = TokenEndpoint()
    app = web.Application()
    made.add_routes(app)
    server = await aiohttp_server(app)
    made.url = f"http://127.0.0.1:{server.port}/oauth/token"
    return made


@pytest.fixture
def refresher(vendor):
    return VendorRefresher(forms(), dict.fromkeys(FILES, vendor.url))


@pytest.mark.parametrize("provider", FILES)
def test_a_login_tells_its_access_token_and_its_end(provider):
    file = FILES[provider](SOON)
    token = VendorRefresher(forms(), {}).token(provider, written(file))
    assert (token.value, token.expires_at) == (access_token(file), SOON)


def test_requests_on_a_chatgpt_login_name_its_account():
    refresher = VendorRefresher(forms(), {})
    named = {"chatgpt-account-id": CHATGPT_ACCOUNT}
    assert refresher.token("codex", written(FILES["codex"](SOON))).headers == named


@pytest.mark.parametrize("provider", FILES)
async def test_a_refreshed_login_has_new_tokens_and_keeps_the_rest(provider, refresher, vendor):
    file = FILES[provider](NOW)
    vendor.refresh_tokens.add("refresh-0")
    once = await refresher.refresh(provider, written(file))
    token = refresher.token(provider, once)
    assert token.value == vendor.issued[0]
    assert token.expires_at > datetime.now(UTC) + timedelta(minutes=50)
    assert json.loads(once).keys() >= file.keys()
    twice = await refresher.refresh(provider, once)
    assert refresher.token(provider, twice).value == vendor.issued[1]
    assert [asked.refresh_token for asked in vendor.asked] == ["refresh-0", "refresh-1"]
    assert {asked.client_id for asked in vendor.asked} == {CLIENTS[provider]}


@pytest.mark.parametrize("provider", FILES)
async def test_a_login_the_vendor_no_longer_knows_is_over(provider, refresher):
    with pytest.raises(AgentFailed, match="invalid_grant") as over:
        await refresher.refresh(provider, written(FILES[provider](NOW)))
    assert over.value.cause == "auth_failed"
    assert "refresh-0" not in over.value.message


async def test_a_vendor_in_trouble_says_nothing_of_the_login(refresher, vendor):
    vendor.broken = 503
    with pytest.raises(AgentFailed, match=r"127\.0\.0\.1 answers 503") as unknown:
        await refresher.refresh("claude", written(FILES["claude"](NOW)))
    assert unknown.value.cause == "overloaded"


async def test_a_page_in_the_vendors_place_says_nothing_of_the_login(aiohttp_server):
    async def page(_):
        return web.Response(status=401, text="<html>Who are you?</html>", content_type="text/html")

    app = web.Application()
    app.router.add_post("/token", page)
    server = await aiohttp_server(app)
    refresher = VendorRefresher(forms(), {"claude": f"http://127.0.0.1:{server.port}/token"})
    with pytest.raises(AgentFailed, match=r"127\.0\.0\.1 answers 401") as unknown:
        await refresher.refresh("claude", written(FILES["claude"](NOW)))
    assert unknown.value.cause == "overloaded"


async def test_a_vendor_that_cannot_be_reached_says_nothing_of_the_login(unused_tcp_port):
    refresher = VendorRefresher(forms(), {"claude": f"http://127.0.0.1:{unused_tcp_port}/token"})
    with pytest.raises(AgentFailed, match=r"127\.0\.0\.1 cannot be reached") as unknown:
        await refresher.refresh("claude", written(FILES["claude"](NOW)))
    assert unknown.value.cause == "overloaded"


async def test_a_token_without_a_refresh_token_ends_with_its_end(refresher, vendor):
    file = written({"claudeAiOauth": {"accessToken": "sk-ant-oat-1"}})
    assert refresher.token("claude", file).expires_at is None
    with pytest.raises(AgentFailed, match="no refresh token") as over:
        await refresher.refresh("claude", file)
    assert (over.value.cause, list(vendor.asked)) == ("auth_failed", [])


@pytest.mark.parametrize("file", [b"no json", b"[]", b"{}", b'{"tokens": 3}'])
def test_what_is_no_login_is_over(file):
    with pytest.raises(AgentFailed, match="hand it in again") as over:
        VendorRefresher(forms(), {}).token("codex", file)
    assert over.value.cause == "auth_failed"


async def test_the_google_client_is_the_one_the_installed_program_names(
    tmp_path, refresher, vendor
):
    program = tmp_path / "gemini.js"
    program.write_text('var OAUTH_CLIENT_ID = "id-of-the-cli";\nvar OAUTH_CLIENT_SECRET = "told";')
    file = FILES["gemini"](NOW)
    del file["client_id"], file["client_secret"]
    vendor.refresh_tokens.add("refresh-0")
    asking = VendorRefresher(forms([tmp_path / "not-there.js", program]), {"gemini": vendor.url})
    await asking.refresh("gemini", written(file))
    assert vendor.asked[0].client_id == "id-of-the-cli"


def test_a_program_that_names_no_client_leaves_it_to_the_login_file(tmp_path):
    (tmp_path / "gemini.js").write_text("nothing")
    with pytest.raises(AgentFailed, match="client_id"):
        client_in([tmp_path / "gemini.js"])
