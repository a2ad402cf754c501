"""What the doctor finds of the agents: their jail, its limits, and their programs."""

from pathlib import Path

import attrs
import pytest

from codara.adapters.jail.probe import JailCheck as Attempt
from codara.adapters.jail.probe import ProbeResult
from codara.bootstrap.doctor import agents
from codara.bootstrap.doctor.findings import FAIL, OK, WARN, Check
from codara.config.jail import JailSettings
from codara.config.providers import Provider, Providers
from codara.config.settings import Settings
from codara.runtimes import PROVIDERS
from tests.scripted_agents import program_of


async def test_an_unsafe_jail_is_warned_of():
    assert (await agents.jail(JailSettings(mode="unsafe"))).status == WARN


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

    monkeypatch.setattr(agents, "probe", probe)
    assert await agents.jail(JailSettings()) == finding


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
    [found] = [each for each in await agents.runtimes(settings) if each.name == name]
    return found


async def test_without_any_agent_there_is_nothing_to_run():
    found = await agents.runtimes(only("/nowhere/codex"))
    assert {check.status for check in found} == {FAIL}
    assert all("npm install" in check.remedy for check in found)


TRIED = "exec echo codex-cli 0.169.5"


async def test_one_agent_is_enough_and_says_its_version_and_transport(tmp_path):
    program = a_program(tmp_path, TRIED)
    found = {check.name: check for check in await agents.runtimes(only(program))}
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
