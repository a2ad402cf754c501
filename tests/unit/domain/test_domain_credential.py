import json

import pytest

from codara.domain import credential
from codara.errors import InvalidRequest
from tests import event_examples
from tests.login_files import FILES, written

TOKENS = {"id_token": "i", "access_token": "a", "refresh_token": "r"}


def key(raw):
    return credential.check("codex", "API_KEY", raw)


def test_white_space_around_an_api_key_is_ignored():
    assert key(b" \n sk-abc_DEF-123\r\n") == b"sk-abc_DEF-123"


@pytest.mark.parametrize(
    "raw", [b"", b" \n", b"sk\x00a", b"sk\na", b"sk a", "skä".encode(), b"k" * 5000]
)
def test_what_is_no_api_key_is_refused_without_being_quoted(raw):
    with pytest.raises(InvalidRequest) as refused:
        key(raw)
    assert refused.value.param == "credential"
    assert "sk" not in refused.value.message


@pytest.mark.parametrize(
    ("provider", "auth_type", "param"),
    [("vertex", "API_KEY", "provider"), ("codex", "api_key", "auth_type")],
)
def test_an_unknown_kind_of_account_is_refused(provider, auth_type, param):
    with pytest.raises(InvalidRequest) as refused:
        credential.check(provider, auth_type, b"sk")
    assert refused.value.param == param


def test_a_codex_session_holds_its_tokens():
    session = json.dumps({"tokens": TOKENS}).encode()
    assert credential.check("codex", "OAUTH_SESSION", session + b"\n") == session


def test_a_codex_session_without_a_token_says_which():
    lacking = json.dumps({"tokens": {"access_token": "a", "refresh_token": "r"}}).encode()
    with pytest.raises(InvalidRequest, match="id_token"):
        credential.check("codex", "OAUTH_SESSION", lacking)


@pytest.mark.parametrize("provider", FILES)
def test_the_login_file_of_each_cli_is_taken(provider):
    file = written(FILES[provider](event_examples.SOON))
    assert credential.check(provider, "OAUTH_SESSION", file + b"\n") == file


@pytest.mark.parametrize(
    ("provider", "lacking"),
    [
        ("claude", b'{"claudeAiOauth": {"refreshToken": "r"}}'),
        ("claude", b'{"claudeAiOauth": {"accessToken": "two words"}}'),
        ("claude", b'{"accessToken": "a"}'),
        ("gemini", b'{"access_token": "a"}'),
        ("gemini", b'{"access_token": "", "refresh_token": "r"}'),
    ],
)
def test_a_login_file_without_its_tokens_says_how_to_come_by_them(provider, lacking):
    with pytest.raises(InvalidRequest, match=f"Log in with `{provider}`") as refused:
        credential.check(provider, "OAUTH_SESSION", lacking)
    assert "two words" not in refused.value.message


def test_opencode_has_no_login_of_its_own():
    with pytest.raises(InvalidRequest, match="API_KEY account") as refused:
        credential.check("opencode", "OAUTH_SESSION", b'{"openai": {"type": "oauth"}}')
    assert refused.value.param == "auth_type"


@pytest.mark.parametrize("raw", [b"sk-abc", b"[]", b"{}", b"\xff", b"[" * 60_000, b" " * 70_000])
def test_what_is_no_session_file_is_refused(raw):
    with pytest.raises(InvalidRequest):
        credential.check("claude", "OAUTH_SESSION", raw)
