"""How a trace is shown to people."""

import json
from contextlib import asynccontextmanager

import pytest

from codara.cli import main as cli
from codara.cli import trace
from codara.client.client import Envelope
from codara.errors import NotFound


def span(span_id, name, start, end, parent="a1", **attributes):
    return {
        "span_id": span_id,
        "parent_span_id": parent,
        "name": name,
        "start": f"2026-03-01T12:00:{start}+00:00",
        "end": end and f"2026-03-01T12:00:{end}+00:00",
        "attributes": attributes,
    }


TURN = [
    span("a1", "turn", "00.000000", "05.000000", None, task_id="trn_1", status="completed"),
    span("a2", "agent", "00.500000", "04.750000", first_delta=90.5),
    span("a3", "retry", "01.000000", "01.000000", reason="503"),
    span("a4", "tool", "02.000000", "03.250000", kind="shell", title="ls\n-l", ok=True),
    span("a5", "tool", "02.000000", "03.000000", kind="shell", title="cat", ok=False),
    span("a6", "tool", "02.000000", "05.000000", kind="shell", title="sleep", ok=None),
    span("a7", "warning", "04.000000", "04.000000", message="no rollout"),
]
RUNNING = [span("b1", "turn", "06.000000", None, None, task_id="trn_2", status="running")]


@pytest.fixture
def show(monkeypatch, tmp_path, capsys):
    """Shows a trace with these spans; gives what was printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    def show(spans, *options, turns_left_out=0):
        class House:
            async def ask(self, method, path):
                if (method, path) != ("GET", "/traces/t1"):
                    raise NotFound(f"There is no {path} here.")
                told = {"trace_id": "t1", "spans": spans, "turns_left_out": turns_left_out}
                return Envelope(data=told, meta={})

        @asynccontextmanager
        async def reach(_):
            yield House()

        monkeypatch.setattr(trace, "reach", reach)
        assert cli.main(["trace", "t1", *options]) == 0
        return capsys.readouterr().out

    return show


def test_a_turn_is_told_line_by_line_in_the_order_of_its_clock(show):
    assert show(TURN).splitlines() == [
        "task_id  trn_1",
        "status   completed",
        "start    2026-03-01T12:00:00.000000+00:00",
        "end      2026-03-01T12:00:05.000000+00:00",
        "",
        "AFTER    TOOK     SPAN     ENDED       WHAT",
        "0.500 s  4.250 s  agent                first word after 0.090 s",
        "1.000 s  0.000 s  retry                503",
        "2.000 s  1.250 s  tool     ok          shell: ls -l",
        "2.000 s  1.000 s  tool     failed      shell: cat",
        "2.000 s  3.000 s  tool     unfinished  shell: sleep",
        "4.000 s  0.000 s  warning              no rollout",
    ]


def test_a_turn_that_runs_has_nothing_to_tell_yet(show):
    shown = show([*TURN, *RUNNING])
    assert shown.endswith(
        "\n\ntask_id  trn_2\nstatus   running\nstart    2026-03-01T12:00:06.000000+00:00\n"
        "end      -\n\nNothing is known of what it did.\n"
    )


def test_turns_that_are_not_shown_are_counted(show):
    assert show(RUNNING, turns_left_out=3).endswith("\n3 older turns are not shown.\n")


def test_for_programs_it_is_one_document(show):
    told = json.loads(show(TURN, "--json"))
    assert (told["trace_id"], told["spans"]) == ("t1", TURN)


def test_a_trace_that_is_not_there_is_one_line_and_1(show, capsys):
    show(TURN)
    assert cli.main(["trace", "t2"]) == 1
    assert capsys.readouterr().err == "codara: There is no /traces/t2 here.\n"
