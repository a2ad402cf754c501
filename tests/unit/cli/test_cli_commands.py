"""What the commands ask of the house, and how they show its answers."""

import io
import json
import sys
from contextlib import asynccontextmanager

import pytest

from codara.cli import account, listing, task, user
from codara.cli import main as cli
from codara.client.client import Envelope
from codara.errors import NotFound

ROW = {"task_id": "trn_1", "status": "completed", "session_id": "ses_1", "diff": "+a\n-b"}


class House:
    """A client that remembers what it was asked."""

    def __init__(self):
        self.asked = []

    async def ask(self, method, path, *, query=None, body=None):
        self.asked.append((method, path, query or body))
        if "/missing" in path:
            raise NotFound("There is no missing here.")
        return Envelope(data=self.answer(method, path), meta={})

    def answer(self, method, path):
        if method == "GET":
            return [ROW] if path.count("/") == 1 else ROW
        if path == "/users":
            return {"user_id": "usr_1", "api_key": {"raw_key": "uagk_live_x"}}
        return {"account_id": "a", "status": "ready"}

    @property
    def sent(self):
        """The one body, or query, there was."""
        [(_, _, what)] = self.asked
        return what


@pytest.fixture
def house(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    house = House()

    @asynccontextmanager
    async def reach(_):
        yield house

    for module in (account, listing, task, user):
        monkeypatch.setattr(module, "reach", reach)
    return house


def test_a_listing_passes_its_filters_on(house, capsys):
    given = ["task", "list", "--session", "ses_1", "--status", "completed", "--limit", "7"]
    assert cli.main(given) == 0
    query = {"session_id": "ses_1", "status": "completed", "limit": "7"}
    assert house.asked == [("GET", "/tasks", query)]
    assert "trn_1  completed" in capsys.readouterr().out


@pytest.mark.parametrize("group", ["account", "user", "session", "task"])
def test_every_listing_takes_json(house, capsys, group):
    assert cli.main([group, "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [ROW]
    assert house.asked == [("GET", f"/{group}s", {"limit": "50"})]


def test_all_sessions_are_listed_where_it_is_asked_for(house):
    assert cli.main(["session", "list", "--all", "--user", "usr_1"]) == 0
    assert house.sent == {"user_id": "usr_1", "all": "true", "limit": "50"}


def test_one_thing_is_shown_with_its_diff(house, capsys):
    assert cli.main(["task", "show", "trn_1"]) == 0
    assert capsys.readouterr().out.endswith("\ndiff\n+a\n-b\n")


def test_what_is_not_there_is_one_line_and_1(house, capsys):
    assert cli.main(["task", "show", "missing"]) == 1
    assert capsys.readouterr().err == "codara: There is no missing here.\n"


def test_a_new_user_is_told_their_key(house, capsys):
    assert cli.main(["user", "create", "--email", "e@x", "--key-expires-at", "2030-01-01"]) == 0
    assert house.asked[0][:2] == ("POST", "/users")
    assert house.sent == {"email": "e@x", "key_expires_at": "2030-01-01T00:00:00+00:00"}
    assert "uagk_live_x" in capsys.readouterr().out


def test_a_credential_comes_from_a_file(house, tmp_path):
    (tmp_path / "key").write_bytes(b"sk-1\n")
    given = ["account", "add", "--id", "a", "--provider", "codex", "--credential-file", "key"]
    assert cli.main(given) == 0
    assert house.asked[0][:2] == ("POST", "/accounts/upload")
    assert house.sent == {
        "account_id": "a",
        "provider": "codex",
        "auth_type": "API_KEY",
        "label": "",
        "credential_text": "sk-1\n",
    }


LOGIN = ["account", "add", "--id", "a", "--provider", "codex", "--auth-type", "OAUTH_SESSION"]


def test_a_login_comes_from_the_providers_auth_path(house, tmp_path, monkeypatch):
    (tmp_path / "auth.json").write_text('{"tokens": {}}')
    monkeypatch.setenv("UAG_CODEX_AUTH_PATH", str(tmp_path / "auth.json"))
    assert cli.main(LOGIN) == 0
    assert house.sent["credential_text"] == '{"tokens": {}}'


def test_a_file_that_is_named_goes_before_the_auth_path(house, tmp_path, monkeypatch):
    (tmp_path / "mine").write_text('{"mine": 1}')
    monkeypatch.setenv("UAG_CODEX_AUTH_PATH", str(tmp_path / "auth.json"))
    assert cli.main([*LOGIN, "--credential-file", "mine"]) == 0
    assert house.sent["credential_text"] == '{"mine": 1}'


def test_an_auth_path_without_a_login_is_named(house, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("UAG_CODEX_AUTH_PATH", str(tmp_path / "auth.json"))
    assert cli.main(LOGIN) == 1
    assert f"{tmp_path}/auth.json: No such file" in capsys.readouterr().err


def test_no_key_is_read_from_the_auth_path(house, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("UAG_CODEX_AUTH_PATH", str(tmp_path / "auth.json"))
    with pytest.raises(SystemExit) as end:
        cli.main(LOGIN[:-2])
    assert end.value.code == 2
    assert "--credential-file is missing" in capsys.readouterr().err


def test_a_credential_comes_from_standard_input(house, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"sk-2")))
    given = ["account", "add", "--id", "a", "--provider", "codex", "--credential-file", "-"]
    assert cli.main(given) == 0
    assert house.sent["credential_text"] == "sk-2"


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (None, "codara: key: No such file or directory\n"),
        (b" \n", "codara: key: the credential is empty\n"),
        (b"sk\xff", "codara: key: the credential is not UTF-8 text\n"),
        (b"x" * ((128 << 10) + 1), "codara: key: the credential is larger than 128 KiB\n"),
    ],
)
def test_a_credential_that_is_none_is_refused(house, tmp_path, capsys, contents, message):
    if contents is not None:
        (tmp_path / "key").write_bytes(contents)
    given = ["account", "add", "--id", "a", "--provider", "codex", "--credential-file", "key"]
    assert cli.main(given) == 1
    assert capsys.readouterr().err == message
    assert house.asked == []


def test_a_task_is_cancelled(house):
    assert cli.main(["task", "cancel", "trn_1"]) == 0
    assert house.asked == [("POST", "/tasks/trn_1/cancel", None)]
