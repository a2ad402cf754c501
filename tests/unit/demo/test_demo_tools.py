"""What the demo installs, and how it says that it cannot."""

import os
from pathlib import Path

import pytest

from codara.demo import tools
from codara.demo.agents import AGENTS
from codara.errors import CodaraError

CODEX = AGENTS["codex"]
NODE = "#!/bin/sh\necho v20.1.0\n"
NPM = """#!/bin/sh
echo "$@" > "$4/asked"
mkdir -p "$4/node_modules/.bin"
touch "$4/node_modules/.bin/codex"
"""


@pytest.fixture
def bin_folder(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin:/bin")
    return folder


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    (folder / "agents").mkdir(parents=True)
    return folder


async def test_a_missing_cli_is_installed_from_the_lock_file(project, bin_folder):
    program(bin_folder, "node", NODE)
    program(bin_folder, "npm", NPM)
    path = await tools.program(project, CODEX)
    assert path == str(project / "agents" / "node_modules" / ".bin" / "codex")
    assert (project / "agents" / "asked").read_text().startswith("install --no-save --prefix ")


async def test_a_cli_that_is_there_is_not_installed_again(project, bin_folder):
    program(bin_folder, "npm", "#!/bin/sh\nexit 1\n")
    (project / "agents" / "node_modules" / ".bin").mkdir(parents=True)
    (project / "agents" / "node_modules" / ".bin" / "codex").touch()
    assert (await tools.program(project, CODEX)).endswith("/codex")


async def test_an_installation_that_fails_says_why_in_one_line(project, bin_folder):
    program(bin_folder, "node", NODE)
    program(bin_folder, "npm", "#!/bin/sh\necho no network >&2\nexit 7\n")
    with pytest.raises(CodaraError, match="npm install --no-save failed: no network"):
        await tools.program(project, CODEX)


async def test_without_a_project_the_cli_of_path_will_do(bin_folder):
    program(bin_folder, "codex", "#!/bin/sh\n")
    assert await tools.program(None, CODEX) == "codex"


async def test_without_project_and_cli_the_remedy_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CodaraError, match="npm install -g @openai/codex"):
        await tools.program(None, CODEX)


@pytest.mark.parametrize("name", AGENTS)
def test_this_project_has_pinned_agents(name):
    project = tools.checkout()
    assert project is not None
    assert f'"{AGENTS[name].package}"' in (project / "agents" / "package.json").read_text()


def test_every_agent_speaks_to_the_scripted_model_only():
    for agent in AGENTS.values():
        settings = agent.settings("/bin/agent", "http://127.0.0.1:1")
        block = settings.named(agent.provider)
        assert block.binary == "/bin/agent"
        assert block.base_url == f"http://127.0.0.1:1{agent.path}"
        assert agent.model.startswith(f"{agent.provider}/")


def test_no_lock_file_names_a_registry():
    project = tools.checkout()
    assert "http" not in (project / "agents" / "package-lock.json").read_text()
