"""Arguments, exit codes, and what is said when something goes wrong."""

import asyncio
import json

import pytest

from codara.cli import main as cli
from codara.cli import version
from codara.demo.agents import AGENTS
from codara.errors import CodaraError


@pytest.fixture(autouse=True)
def nothing_configured(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CODARA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("CODARA_CONFIG", "UAG_CONFIG_PATH", "CODARA_DEBUG", "UAG_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)


def ending_with(monkeypatch, error):
    async def run(_):
        raise error

    monkeypatch.setattr(version, "run", run)


def test_a_command_that_did_its_work_ends_with_0(capsys):
    assert cli.main(["version"]) == 0
    assert capsys.readouterr().out.startswith("codara ")


def test_a_refusal_ends_with_1_and_one_line(monkeypatch, capsys):
    ending_with(monkeypatch, CodaraError("No.\nNot today."))
    assert cli.main(["version"]) == 1
    assert capsys.readouterr().err == "codara: No. Not today.\n"


def test_a_defect_ends_with_1_one_line_and_no_traceback(monkeypatch, capsys):
    ending_with(monkeypatch, ZeroDivisionError("oh"))
    assert cli.main(["version"]) == 1
    assert capsys.readouterr().err == (
        "codara: ZeroDivisionError: oh (CODARA_DEBUG=1 shows where)\n"
    )


@pytest.mark.parametrize("error", [KeyboardInterrupt(), asyncio.CancelledError()])
def test_an_interruption_ends_with_130(monkeypatch, error):
    ending_with(monkeypatch, error)
    assert cli.main(["version"]) == 130


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["account"],
        ["account", "nonsense"],
        ["account", "add", "--id", "a"],
        ["account", "add", "--id", "a", "--provider", "x", "--credential-file", "-"],
        ["account", "add", "--id", "a", "--provider", "codex"],
        ["account", "add", "--id", "a", "--provider", "codex", "--auth-type", "OAUTH_SESSION"],
        ["session", "show"],
        ["session", "list", "--limit", "0"],
        ["serve", "--port", "70000"],
        ["serve", "--port", "http"],
        ["user", "create"],
        ["user", "create", "--email", "e", "--key-expires-at", "tomorrow"],
    ],
)
def test_wrong_usage_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("provider", AGENTS)
def test_the_demo_shows_the_agent_that_is_named(monkeypatch, provider):
    asked = {}

    async def demo(**wanted):
        asked.update(wanted)
        return True

    monkeypatch.setattr("codara.demo.run.demo", demo)
    assert cli.main(["demo", "--once", "--provider", provider]) == 0
    assert asked == {"port": 0, "once": True, "provider": provider}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--config", "FILE", "config", "check"],
        ["config", "--config", "FILE", "check"],
        ["config", "check", "--config", "FILE"],
        ["--config", "other.toml", "config", "check", "--config", "FILE"],
    ],
)
def test_the_config_file_is_taken_before_and_after_the_command(arguments, tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text("[server]\nport = 1\n")
    assert cli.main([str(path) if word == "FILE" else word for word in arguments]) == 0
    assert capsys.readouterr().out == f"good: {path}\n"


def test_a_bad_config_is_one_line_and_1(tmp_path, capsys):
    path = tmp_path / "codara.toml"
    path.write_text("[server]\nprot = 1\n")
    assert cli.main(["config", "check"]) == 1
    assert capsys.readouterr().err == (
        f"codara: {path}:2: server.prot: unknown key; did you mean server.port?\n"
    )


def test_serve_with_a_bad_master_key_is_one_line_and_1(monkeypatch, capsys):
    monkeypatch.setenv("CODARA_MASTER_KEY", "c2hvcnQ=")
    assert cli.main(["serve"]) == 1
    assert capsys.readouterr().err == (
        "codara: CODARA_MASTER_KEY holds 5 bytes; it must be base64 of exactly 32\n"
    )


def test_config_show_tells_values_and_sources(monkeypatch, capsys):
    monkeypatch.setenv("UAG_PORT", "81")
    monkeypatch.setenv("API_TOKEN", "sesame")
    assert cli.main(["config", "show", "--json"]) == 0
    rows = {row["key"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["server.port"] == {
        "key": "server.port",
        "value": 81,
        "source": "environment UAG_PORT",
        "note": "",
    }
    assert cli.main(["config", "show"]) == 0
    shown = capsys.readouterr().out
    assert "sesame" not in shown
    assert "environment UAG_PORT" in shown


def test_version_tells_one_json_document(capsys):
    assert cli.main(["version", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"codara", "python"}
