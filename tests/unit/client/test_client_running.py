"""Where the running gateway is found."""

import json
import os
import subprocess
import sys

from codara.client import running


def test_the_running_gateway_is_found(tmp_path):
    written = running.write(tmp_path, "http://127.0.0.1:1", "t")
    assert running.read(tmp_path) == written
    assert written.pid == os.getpid()


def test_the_file_is_for_its_owner_alone_and_nothing_else_is_left(tmp_path):
    running.write(tmp_path, "http://127.0.0.1:1", "t")
    assert [path.name for path in tmp_path.iterdir()] == ["gateway.json"]
    assert (tmp_path / "gateway.json").stat().st_mode & 0o777 == 0o600


def test_a_file_of_a_process_that_is_gone_is_ignored(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    left = {"address": "http://x", "token": "t", "pid": child.pid, "start_time": 1}
    (tmp_path / "gateway.json").write_text(json.dumps(left))
    assert running.read(tmp_path) is None


def test_a_file_of_another_process_with_the_same_id_is_ignored(tmp_path):
    running.write(tmp_path, "http://127.0.0.1:1", "t")
    path = tmp_path / "gateway.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"start_time": 1}))
    assert running.read(tmp_path) is None
    running.remove(tmp_path)
    assert path.exists()


def test_a_file_that_cannot_be_read_is_ignored(tmp_path):
    assert running.read(tmp_path) is None
    (tmp_path / "gateway.json").write_text("{")
    assert running.read(tmp_path) is None
    (tmp_path / "gateway.json").write_text('{"pid": 1}')
    assert running.read(tmp_path) is None


def test_a_gateway_takes_its_own_file_away(tmp_path):
    running.write(tmp_path, "http://127.0.0.1:1", "t")
    running.remove(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_token_is_not_in_its_repr(tmp_path):
    assert "secret" not in repr(running.write(tmp_path, "http://x", "secret"))
