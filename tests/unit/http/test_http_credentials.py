"""Uploads of accounts over HTTP: one secret is one account, and mistakes are named."""

import json

import aiohttp
import pytest
from management_setup import plane

from codara.domain.credential import LARGEST
from tests.event_examples import SOON
from tests.login_files import chatgpt

UPLOAD = "/management/v1/accounts/upload"
SECRET = "sk-very-secret"
ACCOUNT = {
    "account_id": "main",
    "provider": "codex",
    "auth_type": "API_KEY",
    "credential_text": SECRET,
}


@pytest.fixture
async def op(tmp_path):
    async with plane(tmp_path) as opened:
        yield opened


async def test_a_second_account_of_one_key_is_refused_and_told_whose_it_is(op):
    await op.ask("POST", UPLOAD, ACCOUNT)
    refused = await op.ask("POST", UPLOAD, {**ACCOUNT, "account_id": "other"})
    assert (refused.status, refused.code) == (409, "conflict")
    assert "Account main " in refused.body["error"]["message"]
    assert SECRET not in str(refused.body)
    assert (await op.ask("GET", "/management/v1/accounts/other")).status == 404
    assert (await op.ask("DELETE", "/management/v1/accounts/main")).status == 200
    assert (await op.ask("POST", UPLOAD, {**ACCOUNT, "account_id": "other"})).status == 201


async def test_a_second_account_of_one_login_is_refused(op):
    login = {**ACCOUNT, "auth_type": "OAUTH_SESSION"}
    first = json.dumps(chatgpt(SOON))
    assert (await op.ask("POST", UPLOAD, {**login, "credential_text": first})).status == 201
    later = json.dumps(chatgpt(SOON, refresh="refresh-2", name="new"))
    again = {**login, "account_id": "other", "credential_text": later}
    assert (await op.ask("POST", UPLOAD, again)).status == 409


@pytest.mark.parametrize("account_id", ["", " ", "\n"])
async def test_an_empty_id_is_refused_and_a_missing_one_is_made(op, account_id):
    refused = await op.ask("POST", UPLOAD, {**ACCOUNT, "account_id": account_id})
    assert (refused.status, refused.param) == (400, "account_id")
    form = aiohttp.FormData({**ACCOUNT, "account_id": account_id})
    assert (await op.ask("POST", UPLOAD, data=form)).param == "account_id"
    made = await op.ask("POST", UPLOAD, {**ACCOUNT, "account_id": None})
    assert made.data["account_id"].startswith("acc_")


@pytest.mark.parametrize(
    ("auth_type", "text"),
    [
        ("API_KEY", f"OPENAI_API_KEY={SECRET}"),
        ("API_KEY", json.dumps({"tokens": {}})),
        ("API_KEY", f"{SECRET}\n{SECRET}"),
        ("API_KEY", f"{SECRET} {SECRET}"),
        ("OAUTH_SESSION", SECRET),
        ("OAUTH_SESSION", json.dumps({"OPENAI_API_KEY": SECRET})),
    ],
)
async def test_a_credential_of_the_wrong_shape_is_refused_without_showing_it(op, auth_type, text):
    wrong = {**ACCOUNT, "auth_type": auth_type, "credential_text": text}
    refused = await op.ask("POST", UPLOAD, wrong)
    assert (refused.status, refused.param) == (400, "credential")
    assert SECRET not in str(refused.body)
    assert (await op.ask("GET", "/management/v1/accounts")).data == []


@pytest.mark.parametrize("text", ["k" * (LARGEST + 1), "é" * (LARGEST // 2 + 1)])
async def test_the_largest_credential_is_counted_in_bytes(op, text):
    form = aiohttp.FormData({"provider": "codex", "auth_type": "API_KEY"})
    form.add_field("credential_file", text.encode(), filename="key.txt")
    refused = await op.ask("POST", UPLOAD, data=form)
    assert (refused.status, refused.param) == (400, "credential_text")
    assert "128 KiB" in refused.body["error"]["message"]
