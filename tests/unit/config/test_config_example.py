"""The example files and what is shown name every setting, and say the truth about it."""

import tomllib
from pathlib import Path

import pytest

from codara.config import example
from codara.config.fields import settings_of
from codara.config.load import load
from codara.config.settings import Settings
from codara.config.shown import MASK, shown

PROJECT = Path(__file__).parents[3]
EVERY = list(settings_of(Settings()))


@pytest.mark.parametrize(("name", "text"), list(example.files()))
def test_the_example_files_are_up_to_date(name, text):
    assert (PROJECT / name).read_text(encoding="utf-8") == text, "run `make examples`"


@pytest.mark.parametrize("text", [text for _, text in example.files()])
def test_what_does_nothing_yet_is_marked_in_both_examples_and_out_of_use(text):
    for setting in (setting for setting in EVERY if setting.later):
        told = text.partition(f"{setting.meaning} Not in this version")[2].splitlines()
        assert told[1].startswith("# "), setting.path


def test_the_example_of_the_environment_says_who_reads_it():
    assert "docker --env-file; codara itself does not read it" in example.env_example()


@pytest.mark.parametrize("setting", EVERY, ids=lambda setting: setting.path)
def test_every_setting_is_in_both_examples(setting):
    assert f"# {setting.path}: {setting.meaning}" in example.env_example()
    assert f"# {setting.env[0]}=" in example.env_example()
    assert f"\n# {setting.meaning}" in example.toml_example()
    assert f"{setting.key} = " in example.toml_example()


def test_the_example_as_it_stands_changes_nothing(monkeypatch, tmp_path):
    path = tmp_path / "codara.toml"
    path.write_text(example.toml_example())
    assert load(path, {}).settings == load(None, {}).settings
    assert load(path, {}).warnings == ()


def test_the_example_holds_with_every_line_in_use(tmp_path):
    lines = example.toml_example().splitlines()
    keys = {setting.key for setting in EVERY if not setting.refused}
    used = [line.removeprefix("# ") if line[2:].split(" ")[0] in keys else line for line in lines]
    path = tmp_path / "codara.toml"
    path.write_text("\n".join(used))
    assert len(tomllib.loads(path.read_text())["providers"]["codex"]) == 12
    assert load(path, {}).settings.accounts.prices["codex/gpt-5-codex"]["input"] == 1.25


def test_no_two_settings_share_a_name_in_the_environment():
    names = [name for setting in EVERY for name in setting.env]
    assert len(names) == len(set(names))


def test_secrets_are_masked_where_settings_are_shown(tmp_path):
    path = tmp_path / "codara.toml"
    path.write_text("[[channels.telegram.bots]]\nname = 'b'\ntoken = 'tok'\n")
    rows = shown(load(path, {"API_TOKEN": "pass"}))
    assert "tok'" not in str(rows)
    assert "pass'" not in str(rows)
    by_key = {row["key"]: row for row in rows}
    assert by_key["passkey"]["value"] == MASK
    assert by_key["channels.telegram.bots"]["source"] == f"file {path}"
    assert len(rows) == len(EVERY) + 2


def test_what_does_nothing_yet_is_marked_where_settings_are_shown():
    notes = {row["key"]: row["note"] for row in shown(load(None, {}))}
    assert notes["logging.level"] == "not in this version"
    assert notes["server.port"] == ""
