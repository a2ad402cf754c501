"""Tables, fields, JSON and colours."""

import io
import json

import pytest

from codara.cli import terminal
from codara.cli.terminal import Column

LONG = "x" * 100
COLUMNS = (Column("task_id", "ID"), Column("status", "STATUS"), Column("label", "LABEL"))


class Tty(io.StringIO):
    def isatty(self):
        return True


def test_ids_are_never_cut_and_other_texts_are():
    row = terminal.table([{"task_id": LONG, "status": "ready", "label": LONG}], COLUMNS)[1]
    assert f"{LONG}  ready" in row
    assert row.endswith("x…")


def test_columns_stand_below_their_headings():
    lines = terminal.table(
        [
            {"task_id": "trn_1", "status": None, "label": "a"},
            {"task_id": "trn_22", "status": "failed", "label": "b\nc"},
        ],
        COLUMNS,
    )
    assert lines == [
        "ID      STATUS  LABEL",
        "trn_1   -       a",
        "trn_22  failed  b c",
    ]


def test_an_empty_listing_says_so(capsys):
    terminal.print_table([], COLUMNS, "There are no tasks.")
    assert capsys.readouterr().out == "There are no tasks.\n"


def test_what_has_several_lines_comes_last(capsys):
    terminal.print_fields({"diff": "+a\n+b", "task_id": "trn_1", "dirty": False, "n": [1]})
    assert capsys.readouterr().out == "task_id  trn_1\ndirty    no\nn        [1]\n\ndiff\n+a\n+b\n"


def test_json_is_one_document_that_keeps_other_letters(capsys):
    terminal.print_json([{"path": "größe.py"}])
    shown = capsys.readouterr().out
    assert json.loads(shown) == [{"path": "größe.py"}]
    assert "größe" in shown


def test_control_characters_do_not_reach_the_terminal():
    assert terminal.cell("a\x1b[31mb") == "a [31mb"


def test_colours_are_for_terminals(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert terminal.paint("x", "good", io.StringIO()) == "x"
    assert terminal.paint("x", "good", Tty()) == "\x1b[32mx\x1b[0m"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_can_be_refused(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert terminal.paint("x", "good", Tty()) == "x"
