"""What in a workspace keeps an agent from starting, and how it is named."""

import os
from pathlib import Path

import pytest

from codara.adapters.agents.obstacles import CAUSE, READ_BY_ALL, judged, look, named
from codara.adapters.agents.opencode.plugins import plugins_of
from codara.application.ports.agents import Outcome
from codara.errors import AgentFailed

SILENT = """opencode.json {}
opencode.json {"plugin": []}
opencode.json {"model": "a/b", "mcp": {}}
opencode.json // "plugin": ["./a.js"]
opencode.jsonc {"x": "\\"plugin\\": [1]"}
.opencode/opencode.json {"note": "/* plugin */"}
.opencode/plugins/README.md none
opencode.json {"plugin": ["./a.js"]"""
TELLING = """opencode.json {"plugin": ["./a.js"]}
opencode.json {"plu\\u0067in": ["./a.js"]}
opencode.jsonc {"plugin": [/* a */ "./a.js",], // b
opencode.json {"plugins": [{"package": "a"}]}
.opencode/opencode.jsonc {"plugin": ["a"],}
.opencode/plugin/a.ts export
.opencode/plugins/.a.js export"""


def laid(folder: Path, line: str) -> str:
    path, _, text = line.partition(" ")
    place = folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text + ("}" if text.endswith("// b") else "").replace("}", "\n}"))
    return path


def test_a_workspace_with_plain_files_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "AGENTS.md").write_text("Be kind.")
    look(tmp_path, ("AGENTS.md", ".git/HEAD"))
    look(tmp_path / "gone", ("AGENTS.md",))


@pytest.mark.parametrize("name", ["AGENTS.md", ".git/HEAD", ".agents/skills/one/SKILL.md"])
def test_a_pipe_that_an_agent_would_read_for_ever_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(AgentFailed, match=f"^{name} is a pipe") as refused:
        look(tmp_path, ("AGENTS.md", *READ_BY_ALL))
    assert (refused.value.cause, refused.value.retry_safe) == (CAUSE, False)


def test_a_link_to_a_device_is_named(tmp_path: Path) -> None:
    (tmp_path / "AGENTS.md").symlink_to("/dev/zero")
    with pytest.raises(AgentFailed, match=r"^AGENTS\.md is a device"):
        look(tmp_path, ("AGENTS.md",))


def test_a_workspace_that_is_shut_is_named_with_its_remedy(tmp_path: Path) -> None:
    folder = tmp_path / "shut"
    folder.mkdir(mode=0)
    with pytest.raises(AgentFailed, match="repair") as refused:
        look(folder, ())
    assert str(tmp_path) not in refused.value.message


def test_a_file_that_the_cli_names_is_named_by_its_relative_path() -> None:
    told = "Error parsing config file /data/w/.codex/config.toml: line 1"
    assert named(Path("/data/w"), told) == "Error parsing config file .codex/config.toml: line 1"
    assert named(Path("/data/w"), "Error parsing /data/ww/.codex/config.toml") is None
    assert named(Path("/data/w"), "Error in /data/w/ and nowhere else") is None


def test_only_what_is_said_of_settings_makes_a_file_the_cause() -> None:
    said = "failed to load configuration: /w/.codex/config.toml: line 1"
    failed = Outcome(status="failed", cause="protocol", message=said)
    outcome = judged(Path("/w"), failed)
    assert (outcome.status, outcome.cause) == ("failed", CAUSE)
    assert ".codex/config.toml" in outcome.told
    assert "/w/" not in outcome.told
    other = Outcome(status="failed", cause="crashed", message="cannot read /w/a.txt")
    assert judged(Path("/w"), other) == other
    completed = Outcome(status="completed", message=said)
    assert judged(Path("/w"), completed) == completed


@pytest.mark.parametrize("line", TELLING.splitlines())
def test_a_file_that_brings_opencode_plugins_is_named(tmp_path: Path, line: str) -> None:
    path = laid(tmp_path, line)
    found = opened(tmp_path)
    assert found is not None
    assert found.startswith((f"{path} names", f"{Path(path).parent} holds"))


@pytest.mark.parametrize("line", SILENT.splitlines())
def test_a_file_that_brings_no_plugins_is_left_in_peace(tmp_path: Path, line: str) -> None:
    laid(tmp_path, line)
    assert opened(tmp_path) is None


def test_settings_that_are_a_link_or_too_long_are_named(tmp_path: Path) -> None:
    (tmp_path / "opencode.json").symlink_to("other.json")
    assert "no plain file" in str(opened(tmp_path))
    (tmp_path / "opencode.json").unlink()
    (tmp_path / "opencode.json").write_text("{" + " " * (1 << 20) + "}")
    assert "too long" in str(opened(tmp_path))


def opened(folder: Path) -> str | None:
    place = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        return plugins_of(place)
    finally:
        os.close(place)
