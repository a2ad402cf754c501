"""Finding the program that a setting names."""

from pathlib import Path

import pytest

from codara.adapters.agents.codex import config
from codara.adapters.agents.codex.config import native_program
from codara.adapters.agents.home.programs import Program, find_program, project_folders, version_of
from codara.errors import AgentFailed
from tests.agent_pool import FAKE


def find(binary: str, *places: Path) -> Program:
    return find_program(
        binary,
        setting="providers.codex.binary",
        remedy="install it",
        follow=native_program,
        places=places,
    )


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shape of the npm package: a link, a node launcher, a native program beside it."""
    monkeypatch.setattr(config.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(config.sys, "platform", "linux")
    modules = tmp_path / "node_modules"
    _file(modules / "@openai/codex/package.json", "{}")
    _file(modules / "@openai/codex/bin/codex.js", "#!/usr/bin/env node\n")
    _file(modules / "@openai/codex-linux-x64/package.json", "{}")
    _file(modules / "@openai/codex-linux-x64/vendor/some-triple/bin/codex", "native")
    (modules / ".bin").mkdir()
    (modules / ".bin/codex").symlink_to("../@openai/codex/bin/codex.js")
    return modules


def test_an_npm_link_is_followed_to_the_native_program(package: Path) -> None:
    folder = package / "@openai/codex-linux-x64"
    expected = Program(folder / "vendor/some-triple/bin/codex", (folder,))
    assert find(str(package / ".bin/codex")) == expected
    assert find(str(package / "@openai/codex/bin/codex.js")) == expected


def test_a_name_is_looked_for_on_path_and_then_in_the_project(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert find("codex", package / ".bin").path.name == "codex"
    monkeypatch.setenv("PATH", str(package / ".bin"))
    assert find("codex").path.name == "codex"


def test_a_missing_program_names_the_setting_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(AgentFailed, match=r"not found: install it, or set providers\.codex"):
        find(str(tmp_path / "codex"))


def test_a_program_that_is_not_executable_is_refused(package: Path) -> None:
    native = package / "@openai/codex-linux-x64/vendor/some-triple/bin/codex"
    native.chmod(0o644)
    with pytest.raises(AgentFailed, match="not an executable file"):
        find(str(package / ".bin/codex"))


def test_a_folder_is_no_program(tmp_path: Path) -> None:
    with pytest.raises(AgentFailed, match="not an executable file"):
        find(str(tmp_path))


def test_a_program_outside_usr_brings_its_folder(tmp_path: Path) -> None:
    _file(tmp_path / "bin/agent", "#!/usr/bin/env python3\n")
    assert find(str(tmp_path / "bin/agent")).folders == (tmp_path / "bin",)


def test_an_interpreter_outside_usr_brings_its_prefix(tmp_path: Path) -> None:
    _file(tmp_path / "python/bin/python3", "native")
    _file(tmp_path / "bin/agent", f"#!{tmp_path}/python/bin/python3 -I\n")
    assert find(str(tmp_path / "bin/agent")).folders == (tmp_path / "bin", tmp_path / "python")


def test_a_program_of_the_system_brings_nothing() -> None:
    assert find("/usr/bin/env").folders == ()


async def test_a_program_tells_its_version() -> None:
    assert await version_of(find(str(FAKE))) == "fake-codex 0.0.0"


async def test_a_program_that_cannot_be_started_says_so(tmp_path: Path) -> None:
    _file(tmp_path / "agent", "#!/nowhere/interpreter")
    with pytest.raises(AgentFailed, match="cannot be started"):
        await version_of(find(str(tmp_path / "agent")))


def _file(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def test_the_programs_of_the_checkout_are_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    checkout = Path(__file__).parents[3]
    assert checkout / "agents" / "node_modules" / ".bin" in project_folders()
