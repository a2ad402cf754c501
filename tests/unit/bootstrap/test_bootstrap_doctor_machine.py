"""What the doctor finds of the machine, the data folder and the pool."""

import socket
from types import SimpleNamespace

import pytest

from codara.bootstrap.doctor import machine
from codara.bootstrap.doctor.findings import FAIL, OK, WARN, Pool
from codara.client import running
from codara.config.load import Loaded
from codara.config.settings import ServerSettings, Settings


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_a_folder_to_be_is_judged_by_the_one_above(tmp_path):
    assert machine.data_folder(tmp_path / "a" / "b").status == OK
    assert list(tmp_path.iterdir()) == []


def test_a_data_folder_that_is_a_file_is_no_folder(tmp_path):
    (tmp_path / "f").write_text("")
    found = machine.data_folder(tmp_path / "f")
    assert (found.status, found.remedy) == (FAIL, "chown it, or set server.data_dir")


def test_a_disk_with_little_room_is_warned_of(tmp_path, monkeypatch):
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    assert machine.data_folder(tmp_path).status == WARN


def test_a_free_address_is_fine(tmp_path, port):
    assert machine.address(ServerSettings(port=port, data_dir=tmp_path)).status == OK


def test_an_address_in_use_is_a_failure_with_a_remedy(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = machine.address(ServerSettings(port=taken.getsockname()[1], data_dir=tmp_path))
    assert found.status == FAIL
    assert "in use" in found.detail
    assert "--port" in found.remedy


def test_our_own_gateway_may_use_the_address(tmp_path, port):
    running.write(tmp_path, f"http://127.0.0.1:{port}", "t")
    with socket.create_server(("127.0.0.1", port)):
        assert machine.address(ServerSettings(port=port, data_dir=tmp_path)).status == OK


def test_the_master_key_may_be_given_kept_or_to_be_made(tmp_path):
    found = Loaded(settings=Settings.at(tmp_path), sources={}, master_key="x")
    assert "environment" in machine.master_key(found).detail
    found = Loaded(settings=Settings.at(tmp_path), sources={})
    assert "will be made" in machine.master_key(found).detail
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "master.key").write_text("x")
    assert "kept in" in machine.master_key(found).detail


@pytest.mark.parametrize(
    ("pool", "status", "detail"),
    [
        (Pool(), WARN, "none registered"),
        (Pool(trouble="locked"), FAIL, "locked"),
        (Pool(rows=[{"provider": "codex", "status": "error"}]), WARN, "none of 1 is ready"),
        (Pool(rows=[{"provider": "codex", "status": "ready"}]), OK, "1 of 1 ready: codex"),
    ],
)
def test_one_account_that_is_ready_is_enough(pool, status, detail):
    found = machine.accounts(pool)
    assert (found.status, found.detail) == (status, detail)
