"""What is handed in by mistake for a credential is refused by its name, and never shown."""

import json

import pytest

from codara.domain import credential
from codara.errors import InvalidRequest

SECRET = "sk-proj-0123456789abcdef"
CODEX = {"id_token": "i", "access_token": "a", "refresh_token": SECRET}


def refused(auth_type: str, text: str, provider: str = "codex") -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        credential.check(provider, auth_type, text.encode())
    assert SECRET not in caught.value.message
    assert caught.value.param == "credential"
    return caught.value


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (f"OPENAI_API_KEY={SECRET}", "NAME=value"),
        (f"export OPENAI_API_KEY={SECRET}", "NAME=value"),
        (f"OPENAI_API_KEY = '{SECRET}'", "NAME=value"),
        (f"key={SECRET}\n", "NAME=value"),
        ("ANTHROPIC_API_KEY=", "NAME=value"),
        (f"# mine\nOPENAI_API_KEY={SECRET}\n", "several lines"),
        (f"{SECRET}\n{SECRET}", "several lines"),
        (f"{SECRET}\r\n{SECRET}\r\n", "several lines"),
        (json.dumps({"OPENAI_API_KEY": SECRET}), "JSON"),
        ('{"tokens": {}}', "JSON"),
        (json.dumps([SECRET]), "JSON"),
        (json.dumps({"tokens": CODEX}, indent=2), "JSON"),
        (json.dumps(SECRET), "quotation marks"),
        (f"'{SECRET}'", "quotation marks"),
        (f"Bearer {SECRET}", "HTTP header"),
        (f"Authorization: Bearer {SECRET}", "HTTP header"),
        (f"x-api-key: {SECRET}", "HTTP header"),
        (f"{SECRET[:9]} {SECRET[9:]}", "white space"),
        (f"{SECRET[:9]}\t{SECRET[9:]}", "white space"),
        (f"{SECRET}\x00", "control character"),
        (f"{SECRET}é", "beyond ASCII"),
        ("\ufeff" + SECRET, "beyond ASCII"),
        ("k" * 5_000, "longer than 4096"),
        ("k" * (credential.LARGEST + 1), "larger than 128 KiB"),
        (" \n", "empty"),
    ],
)
def test_what_is_no_api_key_is_called_what_it_is(text, named):
    assert named in refused("API_KEY", text).message


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        "AIzaSyA-1_2",
        "a=",
        "QUJDRA==",
        "eyJh.eyJz.c2ln",
        "bearer",
        "key.with:colon/and+more",
    ],
)
def test_what_may_be_an_api_key_is_taken(text):
    assert credential.check("codex", "API_KEY", f" {text}\n".encode()) == text.encode()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (SECRET, "not JSON"),
        (f"OPENAI_API_KEY={SECRET}", "not JSON"),
        (json.dumps(SECRET), "not an object"),
        (json.dumps([SECRET]), "not an object"),
        (json.dumps({"OPENAI_API_KEY": SECRET, "tokens": None}), "id_token"),
        ("x" * (credential.LARGEST + 1), "larger than 128 KiB"),
    ],
)
def test_what_is_no_login_says_which_file_is(text, named):
    message = refused("OAUTH_SESSION", text).message
    assert named in message
    if "128" not in named:
        assert "~/.codex/auth.json" in message


def test_an_api_key_as_a_login_is_told_its_own_kind():
    assert "an API key is an API_KEY" in refused("OAUTH_SESSION", SECRET).message


def test_a_login_may_be_as_large_as_any_credential():
    held = json.dumps({"tokens": CODEX, "more": "x" * 100_000}).encode()
    assert credential.check("codex", "OAUTH_SESSION", held) == held
