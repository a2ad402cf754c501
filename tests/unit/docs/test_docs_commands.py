"""The page about commands has a section for each, with all its options."""

import argparse
from pathlib import Path

import pytest

from codara.cli.main import parser

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "commands.md").read_text()


def commands(of, name="codara"):
    groups = [action for action in of._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield name, of
    for group in groups:
        for word, below in group.choices.items():
            yield from commands(below, f"{name} {word}")


EVERY = dict(commands(parser()))


def section(name):
    assert f"\n## {name}\n" in PAGE
    return PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", EVERY)
def test_every_command_is_explained_with_its_options(name):
    text = section(name)
    for action in EVERY[name]._actions:
        for option in action.option_strings:
            if option not in ("-h", "--help", "--config"):
                assert f"`{option}" in text


def test_no_command_is_explained_that_does_not_exist():
    assert {line[3:] for line in PAGE.splitlines() if line.startswith("## ")} == set(EVERY)
