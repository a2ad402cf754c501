"""Commands on a real data folder, without a gateway."""

import base64
import json
import stat
from datetime import datetime, timedelta

import pytest

from codara.cli import main as cli

CREDENTIAL = "sk-secret-of-the-account"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs a command; gives exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CODARA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("API_TOKEN", "UAG_MGMT_SECRET", "CODARA_MASTER_KEY", "UAG_MASTER_KEY"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments):
        code = cli.main(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_users_and_accounts_are_made_and_read_back(run, tmp_path):
    code, out, _ = run("user", "create", "--email", "e@x.example", "--json")
    made = json.loads(out)
    assert code == 0
    assert made["api_key"]["raw_key"].startswith("uagk_live_")
    (tmp_path / "key").write_text(f" {CREDENTIAL}\n")
    adding = ["account", "add", "--id", "main", "--provider", "codex", "--credential-file", "key"]
    assert run(*adding)[0] == 0
    assert made["user_id"] in run("user", "list")[1]
    assert json.loads(run("account", "show", "main", "--json")[1])["status"] == "ready"
    assert [row["account_id"] for row in json.loads(run("account", "list", "--json")[1])] == [
        "main"
    ]


def test_no_secret_is_in_the_data_folder(run, tmp_path):
    key = json.loads(run("user", "create", "--email", "e@x.example", "--json")[1])["api_key"]
    (tmp_path / "key").write_text(CREDENTIAL)
    run("account", "add", "--id", "main", "--provider", "codex", "--credential-file", "key")
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    for secret in (CREDENTIAL, key["raw_key"], "e@x.example"):
        assert secret.encode() not in kept
        assert base64.b64encode(secret.encode()) not in kept
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_a_second_user_of_one_address_is_refused_in_one_line(run):
    run("user", "create", "--email", "e@x.example")
    code, _, err = run("user", "create", "--email", "E@x.example")
    assert code == 1
    assert err.startswith("codara: ")
    assert err.count("\n") == 1


def test_what_is_not_there_is_refused_in_one_line(run):
    assert run("session", "show", "ses_1") == (1, "", "codara: There is no ses_1 here.\n")


def test_no_task_can_be_cancelled_where_no_gateway_runs(run):
    refusal = "codara: No gateway runs on this data folder, so no task does.\n"
    assert run("task", "cancel", "trn_1") == (1, "", refusal)


@pytest.mark.parametrize("group", ["account", "user", "session", "task"])
def test_a_question_on_an_empty_machine_makes_nothing(run, tmp_path, group):
    assert run(group, "list") == (0, f"There are no {group}s.\n", "")
    assert run(group, "show", "x") == (1, "", "codara: There is no x here.\n")
    assert list(tmp_path.iterdir()) == []


def test_without_a_gateway_times_are_told_as_the_gateway_does(run):
    made = json.loads(run("user", "create", "--email", "e@x.example", "--json")[1])
    assert datetime.fromisoformat(made["created_at"]).utcoffset() == timedelta(0)
    assert "T" in made["created_at"]
    assert made["created_by"] == "cli"


def test_an_account_id_that_is_none_is_refused(run, tmp_path):
    (tmp_path / "key").write_text(CREDENTIAL)
    adding = ["account", "add", "--id", "../x", "--provider", "codex", "--credential-file", "key"]
    code, _, err = run(*adding)
    assert code == 1
    assert err.count("\n") == 1


def test_the_log_may_be_put_elsewhere(run, tmp_path, monkeypatch):
    monkeypatch.setenv("CODARA_DATABASE_URL", f"sqlite:///{tmp_path}/elsewhere.db")
    assert run("user", "create", "--email", "e@x.example")[0] == 0
    assert (tmp_path / "elsewhere.db").exists()
    assert not (tmp_path / "data" / "events.db").exists()
