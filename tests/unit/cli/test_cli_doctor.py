"""What `codara doctor` asks, and how it tells its findings."""

import json

import pytest

from codara.bootstrap.doctor import machine
from codara.bootstrap.doctor.findings import FAIL, OK, WARN, Check
from codara.cli import doctor
from codara.cli import main as cli
from codara.client import running
from codara.config.load import Loaded
from codara.config.settings import Settings


async def test_a_folder_without_a_log_is_not_made_to_ask_for_accounts(tmp_path):
    found = Loaded(settings=Settings.at(tmp_path / "d"), sources={})
    assert machine.accounts(await doctor.pool(found)).status == WARN
    assert list(tmp_path.iterdir()) == []


async def test_accounts_that_cannot_be_asked_for_are_trouble(tmp_path):
    (tmp_path / "events.db").touch()
    running.write(tmp_path, "http://127.0.0.1:9", "t")
    found = await doctor.pool(Loaded(settings=Settings.at(tmp_path), sources={}))
    assert "does not answer" in found.trouble


def test_a_bad_configuration_is_a_finding(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "codara.toml").write_text("[server]\nprot = 1\n")
    assert cli.main(["doctor", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert not said["ok"]
    assert "server.prot: unknown key" in said["checks"][-1]["detail"]


@pytest.mark.parametrize(("status", "code"), [(OK, 0), (WARN, 0), (FAIL, 1)])
def test_only_a_failure_ends_with_1(monkeypatch, capsys, status, code):
    async def examine(_):
        return [Check("thing", status, "as it is", "mend it")]

    monkeypatch.setattr(doctor, "examine", examine)
    assert cli.main(["doctor"]) == code
    assert "remedy: mend it" in capsys.readouterr().out
