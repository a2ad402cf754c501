"""The log lines of the process: bounded in number and in length, and counted beyond that."""

import asyncio
import io
import logging
from collections.abc import Iterator

import pytest

from codara.bootstrap import loglines
from codara.bootstrap.loglines import LONGEST, BoundedLines, bounded_lines

LOG = logging.getLogger("codara.tests.loglines")


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def lines(out: io.StringIO) -> Iterator[BoundedLines]:
    handler = BoundedLines(out, most=3)
    LOG.addHandler(handler)
    yield handler
    LOG.removeHandler(handler)
    handler.close()


def burst(times: int) -> None:
    for number in range(times):
        LOG.warning(f"from a jail: {number}")


def test_a_burst_is_cut_whatever_its_texts_are(out: io.StringIO, lines: BoundedLines) -> None:
    burst(1000)
    assert len(out.getvalue().splitlines()) == 3


def test_the_rest_of_a_burst_is_told_once_when_the_minute_ends(
    out: io.StringIO, lines: BoundedLines
) -> None:
    burst(1000)
    lines.end_minute()
    lines.end_minute()
    told = out.getvalue().splitlines()[3:]
    assert len(told) == 1
    assert "WARNING codara.tests.loglines: 997 more of the last minute were left out" in told[0]


def test_the_rest_of_a_burst_is_told_at_the_stop(out: io.StringIO, lines: BoundedLines) -> None:
    burst(5)
    lines.close()
    assert "2 more" in out.getvalue()


def test_one_line_of_code_takes_no_room_from_another(out: io.StringIO, lines: BoundedLines) -> None:
    burst(10)
    LOG.error("a defect")
    assert "a defect" in out.getvalue()


def test_a_minute_later_there_is_room_again(out: io.StringIO, lines: BoundedLines) -> None:
    burst(3)
    lines.end_minute()
    burst(3)
    assert len(out.getvalue().splitlines()) == 6


def test_a_long_text_is_cut_in_its_middle(out: io.StringIO, lines: BoundedLines) -> None:
    LOG.warning("%s%s%s", "a" * 10, "x" * 200_000, "z" * 10)
    said = out.getvalue()
    assert len(said) < LONGEST + 100
    assert "aaaaaaaaaa" in said
    assert "characters left out" in said
    assert said.endswith("z\n")


def test_a_text_cannot_pass_for_a_second_record(out: io.StringIO, lines: BoundedLines) -> None:
    text = "one\n2026-01-01 ERROR codara: two\r\x1b[31m\udcff"
    lines.handle(logging.LogRecord(LOG.name, logging.WARNING, __file__, 1, text, (), None))
    first, second = out.getvalue().splitlines()
    assert first.endswith("one")
    assert second == "  2026-01-01 ERROR codara: two\\r\\x1b[31m\\udcff"


def test_a_traceback_is_one_record(out: io.StringIO, lines: BoundedLines) -> None:
    LOG.error("failed", exc_info=ValueError("broken"))
    head, *rest = out.getvalue().splitlines()
    assert head.endswith("failed")
    assert rest[-1] == "  ValueError: broken"


def test_what_the_process_logs_goes_to_stderr_while_it_is_open(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with bounded_lines():
        LOG.warning("inside")
    LOG.warning("outside")
    said = capsys.readouterr().err
    assert "WARNING codara.tests.loglines: inside" in said
    assert "WARNING codara.tests.loglines: outside" not in said


async def test_minutes_end_by_themselves(
    out: io.StringIO, lines: BoundedLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loglines, "MINUTE_SECONDS", 0.0)
    burst(5)
    keeping = asyncio.create_task(lines.keep())
    async with asyncio.timeout(5):
        while "2 more" not in out.getvalue():
            await asyncio.sleep(0)
    keeping.cancel()
