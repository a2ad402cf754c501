"""`codara serve` and the commands beside it, as real processes."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
KEPT = ("PATH", "HOME", "LANG", "TMPDIR")


@pytest.fixture
def environ(tmp_path):
    own = {"CODARA_DATA_DIR": str(tmp_path / "data"), "XDG_CONFIG_HOME": str(tmp_path)}
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, **own, "PYTHONPATH": str(PROJECT)}


def codara(environ, cwd, *arguments):
    command = [sys.executable, "-m", "codara", *arguments]
    return subprocess.run(
        command, env=environ, cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def gateway(environ, tmp_path):
    """A running gateway: the process, and what it said when it was ready.

    A command was there before it, which must not swallow the passkey.
    """
    assert codara(environ, tmp_path, "user", "list").returncode == 0
    with subprocess.Popen(
        [sys.executable, "-m", "codara", "serve", "--port", "0"],
        env=environ,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        said = []
        for line in process.stdout:
            said.append(line)
            if "kept in" in line:
                break
        yield process, "".join(said)
        process.kill()


@pytest.mark.cli
def test_the_gateway_says_where_it_is_and_its_passkey_once(gateway, tmp_path):
    _, said = gateway
    assert "Codara listens on http://127.0.0.1:" in said
    assert str(tmp_path / "data") in said
    kept = (tmp_path / "data" / "secrets" / "passkey").read_text()
    assert said.count(kept) == 1


@pytest.mark.cli
def test_commands_speak_to_the_running_gateway(gateway, environ, tmp_path):
    made = codara(environ, tmp_path, "user", "create", "--email", "e@x.example", "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["created_by"] == "operator:op_local"
    assert "e@x.example" in codara(environ, tmp_path, "user", "list").stdout
    missing = codara(environ, tmp_path, "task", "show", "trn_1")
    assert (missing.returncode, missing.stderr.count("\n")) == (1, 1)


@pytest.mark.cli
def test_a_second_gateway_on_the_folder_is_refused_in_one_line(gateway, environ, tmp_path):
    second = codara(environ, tmp_path, "serve", "--port", "0")
    assert (second.returncode, second.stdout) == (1, "")
    assert "holds the log" in second.stderr
    assert second.stderr.count("\n") == 1


@pytest.mark.cli
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(gateway, tmp_path, number):
    """It may come as soon as the gateway says that it is there."""
    process, _ = gateway
    process.send_signal(number)
    assert process.wait(30) == 0
    assert "Traceback" not in process.stderr.read()
    assert not (tmp_path / "data" / "gateway.json").exists()


@pytest.mark.cli
def test_the_passkey_is_not_shown_again(gateway, environ, tmp_path):
    process, _ = gateway
    process.terminate()
    process.wait(30)
    second = [sys.executable, "-m", "codara", "serve", "--port", "0"]
    with subprocess.Popen(
        second, env=environ, cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as again:
        lines = [next(again.stdout) for _ in range(3)]
        again.terminate()
        said = "".join(lines) + again.stdout.read()
    assert "operator passkey" not in said


def test_a_port_in_use_is_one_line_and_leaves_nothing(environ, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = codara(environ, tmp_path, "serve", "--port", str(port))
    assert refused.returncode == 1
    assert f"127.0.0.1:{port}" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_an_unsafe_jail_has_to_be_accepted(environ, tmp_path):
    refused = codara(environ | {"CODARA_JAIL_MODE": "unsafe"}, tmp_path, "serve", "--port", "0")
    assert refused.returncode == 1
    assert "--i-accept-unjailed" in refused.stderr
    assert refused.stderr.count("\n") == 1
