"""What is given and has no effect is named: settings of later versions, and odd variables."""

import json

import pytest

from codara.adapters.agents.registry import login_forms
from codara.cli import main as cli
from codara.config.fields import settings_of
from codara.config.load import load
from codara.config.providers import Providers
from codara.config.settings import Settings
from codara.errors import ConfigInvalid
from codara.events.registry import by_name
from codara.runtimes import RUNTIMES

LATER = [setting for setting in settings_of(Settings()) if setting.later]
WARNED = [setting for setting in LATER if not setting.refused]
VALUES = {
    "providers.opencode.login_base_url": "https://login.example",
    "providers.opencode.oauth_url": "https://login.example",
    "release.api_base_url": "https://api.example",
    "accounts.prices": '{"m": {"input": 1}}',
    "channels.telegram.bots": '[{"name": "b", "token": "hush"}]',
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No configuration of the machine is seen."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "given.toml"
        path.write_text(text)
        return path

    return write


def test_settings_that_work_are_not_warned_of(file):
    path = file("[server]\nport = 81\n")
    given = {"UAG_HOST": "::1", "API_TOKEN": "x", "UAG_CONFIG_DIR": "/c", "CODARA_DEBUG": "1"}
    assert load(path, given | {"CODARA_URL": "u", "CODARA_KEY": "k"}).warnings == ()


def test_a_setting_that_does_nothing_yet_is_named_with_its_line(file):
    path = file("[logging]\nlevel = 'debug'\n")
    assert load(path, {}).warnings == (
        f"{path}:2: logging.level: not in this version, it has no effect",
    )


@pytest.mark.parametrize("setting", WARNED, ids=lambda setting: setting.path)
def test_each_of_them_is_named_with_its_variable(setting):
    name = setting.env[0]
    value = VALUES.get(setting.path) or setting.written() or "x"
    [warning] = load(None, {name: value}).warnings
    assert warning == f"environment {name}: {setting.path}: not in this version, it has no effect"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[accounts]\non_unknown_price = 'refuse'", ":2: accounts.on_unknown_price: not in"),
        ("[telemetry]\npublic_metrics = true", ":2: telemetry.public_metrics: not in this"),
        ("[ledger]\ncheckpoint_copy = '/mnt'", ":2: ledger.checkpoint_copy: not in this"),
    ],
)
def test_one_that_would_be_relied_on_stops_the_start(file, text, named):
    with pytest.raises(ConfigInvalid) as refused:
        load(file(text), {})
    assert named in refused.value.message
    assert refused.value.message.endswith("take it out")


def test_one_that_would_be_relied_on_may_be_turned_off(file):
    path = file("[telemetry]\npublic_metrics = false\n[ledger]\ncheckpoint_copy = ''\n")
    assert len(load(path, {}).warnings) == 2


def test_it_is_refused_from_the_environment_as_well():
    with pytest.raises(ConfigInvalid, match="environment CODARA_TELEMETRY_PUBLIC_METRICS: "):
        load(None, {"CODARA_TELEMETRY_PUBLIC_METRICS": "yes"})


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("UAG_PRT", "UAG_PORT"),
        ("CODARA_PORT", "UAG_PORT"),
        ("CODARA_SERVER_PORT", "UAG_PORT"),
        ("CODARA_PROVIDERS_CODEX_BINARY", "UAG_CODEX_BINARY"),
        ("CODARA_MASTERKEY", "CODARA_MASTER_KEY"),
        ("UAG_CONFIG_PTH", "UAG_CONFIG_PATH"),
        ("UAG_JAIL_MODE", "CODARA_JAIL_MODE"),
    ],
)
def test_a_variable_nobody_reads_is_named_with_the_one_that_was_meant(name, meant):
    assert load(None, {name: "secret"}).warnings == (
        f"environment {name}: nothing reads this variable; did you mean {meant}?",
    )


def test_one_that_resembles_nothing_is_named_alone():
    found = load(None, {"UAG_WHATEVER_ELSE": "x", "OTHER": "x", "UAG_EMPTY": ""})
    assert found.warnings == ("environment UAG_WHATEVER_ELSE: nothing reads this variable",)


def test_config_check_tells_the_warnings(monkeypatch, capsys):
    monkeypatch.setenv("UAG_PRT", "1")
    assert cli.main(["config", "check"]) == 0
    warning = "environment UAG_PRT: nothing reads this variable; did you mean UAG_PORT?"
    assert f"warning: {warning}\n" in capsys.readouterr().out
    assert cli.main(["config", "check", "--json"]) == 0
    assert warning in json.loads(capsys.readouterr().out)["warnings"]


def test_serve_tells_the_warnings_before_anything_else(monkeypatch, capsys):
    async def serve(*_, **__):
        assert "codara: warning: environment UAG_PRT: " in capsys.readouterr().err

    monkeypatch.setenv("UAG_PRT", "1")
    monkeypatch.setattr("codara.bootstrap.serving.serve", serve)
    assert cli.main(["serve"]) == 0


def test_settings_of_logins_have_no_effect_where_a_cli_has_none():
    [warning] = load(None, {"UAG_OPENCODE_AUTH_PATH": "/a"}).warnings
    assert "providers.opencode.auth_path: not in this version" in warning
    assert load(None, {"UAG_CODEX_AUTH_PATH": "/a"}).warnings == ()


def test_a_runtime_has_logins_if_there_is_a_form_of_them():
    assert {known.name for known in RUNTIMES if known.logins} == set(login_forms(Providers()))


def test_the_floor_of_a_primary_account_works_as_soon_as_an_account_can_be_primary():
    [floor] = [each for each in settings_of(Settings()) if each.key == "primary_floor_percent"]
    assert floor.later == (not any("primary" in name for name in by_name()))
