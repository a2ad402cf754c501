"""Listeners hear of files as they lie in the workspace, not of the host's folders."""

from pathlib import Path

import pytest

from codara.application.ports.frames import FileHint, TextDelta, ToolStarted
from codara.application.turns.relative import for_listeners

FOLDER = Path("/srv/work spaces/usr_1/no+tes")


def title(text: str) -> str:
    heard = for_listeners(ToolStarted(tool_id="t", kind="command", title=text), FOLDER)
    assert isinstance(heard, ToolStarted)
    assert (heard.tool_id, heard.kind) == ("t", "command")
    return heard.title


def test_changed_files_are_named_from_the_workspace_on():
    hint = FileHint((f"{FOLDER}/src/größe.py", "b.txt", "/tmp/c.txt", str(FOLDER)))
    assert for_listeners(hint, FOLDER) == FileHint(("src/größe.py", "b.txt", "/tmp/c.txt", "."))


@pytest.mark.parametrize(
    ("told", "heard"),
    [
        (f"cat {FOLDER}/a.txt {FOLDER}/b/c", "cat a.txt b/c"),
        (f"cd {FOLDER} && ls", "cd . && ls"),
        (f"cd {FOLDER}/ && ls", "cd ./ && ls"),
        (f"ls '{FOLDER}'", "ls '.'"),
        (f"ls {FOLDER}-2", f"ls {FOLDER}-2"),
        ("Write notes", "Write notes"),
    ],
)
def test_a_tools_title_is_told_from_the_workspace_on(told, heard):
    assert title(told) == heard


def test_an_answer_is_left_as_it_is():
    said = TextDelta(f"I wrote {FOLDER}/a.txt")
    assert for_listeners(said, FOLDER) is said
