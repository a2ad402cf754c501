"""Two credentials are the same if they are one key, or one person's login, however refreshed."""

import json

import pytest

from codara.demo.logins import signed
from codara.domain import credential
from tests import event_examples
from tests.login_files import FILES, written

OPENAI = "https://api.openai.com/auth"


def codex(account="acc-1", user="user-1", refresh="r-1", **more):
    claims = {"sub": user, OPENAI: {"chatgpt_account_id": account}, "exp": 1}
    tokens = {"id_token": signed(claims), "access_token": "a", "refresh_token": refresh}
    return {"tokens": tokens | more}


def google(sub="sub-1", refresh="r-1", access="a-1"):
    tokens = {"access_token": access, "refresh_token": refresh}
    return tokens | ({"id_token": signed({"sub": sub})} if sub else {})


def claude(refresh="r-1", access="a-1"):
    return {"claudeAiOauth": {"accessToken": access, "refreshToken": refresh}}


def same(provider, one, other):
    texts = [credential.check(provider, "OAUTH_SESSION", written(each)) for each in (one, other)]
    first, second = [credential.sameness(provider, "OAUTH_SESSION", text) for text in texts]
    return first == second


def test_an_api_key_is_the_same_whatever_surrounds_it():
    bare = credential.check("codex", "API_KEY", b" sk-1\n")
    assert credential.sameness("codex", "API_KEY", bare) == b"sk-1"


@pytest.mark.parametrize(
    ("provider", "one", "other"),
    [
        ("codex", codex(), codex(refresh="r-2")),
        ("codex", codex(), codex(access_token="b", last="x")),
        ("codex", codex(), codex(account="other", account_id="acc-1")),
        ("gemini", google(), google(refresh="r-2", access="a-2")),
        ("gemini", google(sub=""), google(sub="", access="a-2")),
        ("claude", claude(), claude(access="a-2")),
    ],
)
def test_a_login_is_the_same_with_other_tokens(provider, one, other):
    assert same(provider, one, other)


@pytest.mark.parametrize(
    ("provider", "one", "other"),
    [
        ("codex", codex(), codex(user="user-2")),
        ("codex", codex(), codex(account="acc-2")),
        ("gemini", google(), google(sub="sub-2")),
        ("gemini", google(sub=""), google(sub="", refresh="r-2")),
        ("claude", claude(), claude(refresh="r-2")),
    ],
)
def test_logins_of_two_people_or_two_plans_are_two(provider, one, other):
    assert not same(provider, one, other)


@pytest.mark.parametrize(
    "id_token",
    ["i", "a.b.c", signed({}), signed({"sub": 7}), signed({OPENAI: "odd"}), "..", "é.é.é"],
)
def test_a_login_that_does_not_say_whose_it_is_is_known_by_its_refresh_token(id_token):
    session = {"tokens": {"id_token": id_token, "access_token": "a", "refresh_token": "r"}}
    found = credential.sameness("codex", "OAUTH_SESSION", json.dumps(session).encode())
    assert json.loads(found) == ["codex", "token", "r"]


@pytest.mark.parametrize("provider", FILES)
def test_the_login_file_of_each_cli_is_itself(provider):
    file = written(FILES[provider](event_examples.SOON))
    found = credential.sameness(provider, "OAUTH_SESSION", file)
    assert found == credential.sameness(provider, "OAUTH_SESSION", file)
    assert json.loads(found)[0] == provider


def test_a_token_of_setup_token_has_no_refresh_token_and_is_known_by_itself():
    file = {"claudeAiOauth": {"accessToken": "sk-ant-oat-1"}}
    found = credential.sameness("claude", "OAUTH_SESSION", written(file))
    assert json.loads(found) == ["claude", "token", "sk-ant-oat-1"]
