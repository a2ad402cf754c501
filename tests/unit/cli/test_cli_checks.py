"""The findings of `codara doctor`."""

import json
import socket
from pathlib import Path
from types import SimpleNamespace

import attrs
import pytest

from codara.adapters import gatewayfile
from codara.adapters.jail.probe import Check as Attempt
from codara.adapters.jail.probe import ProbeResult
from codara.cli import agent_checks, checks, doctor
from codara.cli import main as cli
from codara.cli.checks import FAIL, OK, WARN, Check
from codara.config.load import Loaded
from codara.config.providers import Provider, Providers
from codara.config.settings import JailSettings, Server, Settings
from codara.runtimes import PROVIDERS
from tests.scripted import program_of


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_a_folder_to_be_is_judged_by_the_one_above(tmp_path):
    assert checks.data_folder(tmp_path / "a" / "b").status == OK
    assert list(tmp_path.iterdir()) == []


def test_a_data_folder_that_is_a_file_is_no_folder(tmp_path):
    (tmp_path / "f").write_text("")
    found = checks.data_folder(tmp_path / "f")
    assert (found.status, found.remedy) == (FAIL, "chown it, or set server.data_dir")


def test_a_disk_with_little_room_is_warned_of(tmp_path, monkeypatch):
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    assert checks.data_folder(tmp_path).status == WARN


def test_a_free_address_is_fine(tmp_path, port):
    assert checks.address(Server(port=port, data_dir=tmp_path)).status == OK


def test_an_address_in_use_is_a_failure_with_a_remedy(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = checks.address(Server(port=taken.getsockname()[1], data_dir=tmp_path))
    assert found.status == FAIL
    assert "in use" in found.detail
    assert "--port" in found.remedy


def test_our_own_gateway_may_use_the_address(tmp_path, port):
    gatewayfile.write(tmp_path, f"http://127.0.0.1:{port}", "t")
    with socket.create_server(("127.0.0.1", port)):
        assert checks.address(Server(port=port, data_dir=tmp_path)).status == OK


def test_the_master_key_may_be_given_kept_or_to_be_made(tmp_path):
    found = Loaded(settings=Settings.at(tmp_path), sources={}, master_key="x")
    assert "environment" in checks.master_key(found).detail
    found = Loaded(settings=Settings.at(tmp_path), sources={})
    assert "will be made" in checks.master_key(found).detail
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "master.key").write_text("x")
    assert "kept in" in checks.master_key(found).detail


async def test_a_folder_without_a_log_is_not_made_to_ask_for_accounts(tmp_path):
    found = Loaded(settings=Settings.at(tmp_path / "d"), sources={})
    assert checks.accounts(await checks.pool(found)).status == WARN
    assert list(tmp_path.iterdir()) == []


async def test_an_unsafe_jail_is_warned_of():
    assert (await agent_checks.jail(JailSettings(mode="unsafe"))).status == WARN


@pytest.mark.parametrize(
    ("attempts", "finding"),
    [
        (
            [Attempt(name="jail", ok=True), Attempt(name="broker", ok=True)],
            Check("jail", OK, "bubblewrap holds, 2 attempts"),
        ),
        (
            [Attempt(name="jail", ok=False, detail="no bwrap", remedy="install it")],
            Check("jail", FAIL, "no bwrap", "install it"),
        ),
    ],
)
async def test_the_jail_is_judged_by_trying_it(monkeypatch, attempts, finding):
    async def probe(*, uid):
        return ProbeResult(ok=all(check.ok for check in attempts), checks=tuple(attempts))

    monkeypatch.setattr(agent_checks, "probe", probe)
    assert await agent_checks.jail(JailSettings()) == finding


def only(binary, name="codex", **told):
    """Settings in which all agents but one are missing."""
    missing = {each: Provider(binary="/nowhere/agent") for each in PROVIDERS}
    providers = Providers(**missing | {name: Provider(binary=str(binary), **told)})
    return Settings.at(Path("/nowhere"), providers=providers, jail=JailSettings(mode="unsafe"))


def a_program(folder, version, name="codex", otherwise=None):
    """A program that says its version, and is the scripted agent for anything else."""
    program = folder / name
    otherwise = otherwise or f'exec {program_of(name)} "$@"'
    program.write_text(f'#!/bin/sh\n[ "$1" = --version ] && {version}\n{otherwise}\n')
    program.chmod(0o755)
    return program


async def found_of(settings, name="codex"):
    [found] = [each for each in await agent_checks.runtimes(settings) if each.name == name]
    return found


async def test_without_any_agent_there_is_nothing_to_run():
    found = await agent_checks.runtimes(only("/nowhere/codex"))
    assert {check.status for check in found} == {FAIL}
    assert all("npm install" in check.remedy for check in found)


TRIED = "exec echo codex-cli 0.169.5"


async def test_one_agent_is_enough_and_says_its_version_and_transport(tmp_path):
    program = a_program(tmp_path, TRIED)
    found = {check.name: check for check in await agent_checks.runtimes(only(program))}
    codex = found.pop("codex")
    assert codex.status == OK
    assert codex.detail.startswith(
        f"codex-cli 0.169.5 ({program}), transport persistent answers in the jail"
        " (initialize of app-server, "
    )
    assert {check.status for check in found.values()} == {WARN}


@pytest.mark.parametrize(
    ("name", "answered"),
    [
        ("claude", "initialize of stream-json"),
        ("codex", "initialize of app-server"),
        ("gemini", "initialize of --acp"),
        ("opencode", "events of serve"),
    ],
)
async def test_every_agent_answers_by_the_transport_that_is_set(name, answered):
    stays = await found_of(only(program_of(name), name, transport="persistent"), name)
    assert f"transport persistent answers in the jail ({answered}, " in stays.detail
    alone = await found_of(only(program_of(name), name, transport="process"), name)
    assert "transport process answers in the jail (--version, " in alone.detail


async def test_a_transport_that_does_not_start_is_warned_of_where_another_may_be_used(tmp_path):
    program = a_program(tmp_path, TRIED, otherwise="echo no such command >&2; exit 2")
    codex = await found_of(only(program))
    assert codex.status == WARN
    assert "transport process answers in the jail (--version, " in codex.detail
    assert "codex app-server did not start: no such command" in codex.detail
    assert "providers.codex.transport" in codex.remedy


async def test_a_transport_that_does_not_start_is_a_failure_where_it_is_the_only_one(tmp_path):
    program = a_program(tmp_path, TRIED, otherwise="echo no such command >&2; exit 2")
    codex = await found_of(only(program, transport="persistent"))
    assert codex.status == FAIL
    assert "codex app-server did not start: no such command" in codex.detail
    assert "providers.codex.transport" in codex.remedy


async def test_a_version_nobody_has_tried_is_warned_of(tmp_path):
    codex = await found_of(only(a_program(tmp_path, "exec echo codex-cli 9.9")))
    assert codex.status == WARN
    assert "version codex-cli 9.9 was never tried (known: 0.169)" in codex.detail


async def test_a_program_that_does_not_run_in_the_jail_is_a_failure(tmp_path):
    inside = '[ -n "$TMPDIR" ] && { echo no such library >&2; exit 127; }; echo codex-cli 0.169.5'
    program = a_program(tmp_path, f"{{ {inside}; exit; }}")
    codex = await found_of(only(program, transport="process"))
    assert codex.status == FAIL
    assert "does not run in the jail: no such library" in codex.detail


async def test_the_jail_of_a_hello_has_the_configured_limits(tmp_path):
    """The shell counts in halves of a KiB."""
    told = "case $(ulimit -f) in unlimited|2048) echo codex-cli 0.169.5;; esac"
    settings = only(a_program(tmp_path, f"{{ {told}; exit; }}"), transport="process")
    bounded = attrs.evolve(settings, jail=attrs.evolve(settings.jail, file_size=1 << 20))
    assert (await found_of(bounded)).status == OK


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
