"""The log lines of the process: a bounded number a minute, whatever makes them be written."""

import asyncio
import logging
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

MINUTE_SECONDS = 60.0
MOST_A_MINUTE = 10
LONGEST = 8_000
"""Characters of one record, its traceback included."""
_HEAD = 2_000
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

Place = tuple[str, str, int]
"""A line of code that logs: the logger's name, the file, the line's number."""


class BoundedLines(logging.Handler):
    """Writes up to `most` records a minute of each line of code, and counts the others.

    A record is bound by the line of code that made it, because its text may be somebody else's.
    How many were left out is told once, by `end_minute` or by `close`.
    """

    def __init__(self, stream: TextIO, *, most: int = MOST_A_MINUTE) -> None:
        super().__init__()
        self._out = logging.StreamHandler(stream)
        self._out.setFormatter(_Formatter(_FORMAT))
        self._most = most
        self._seen: Counter[Place] = Counter()
        self._level: dict[Place, int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        place = record.name, record.pathname, record.lineno
        self._seen[place] += 1
        self._level[place] = record.levelno
        if self._seen[place] <= self._most:
            self._out.emit(record)

    def end_minute(self) -> None:
        """Tells of each line of code how many of its records were left out, and begins again."""
        self.acquire()
        try:
            for place, count in self._seen.items():
                if count > self._most:
                    self._out.emit(_left_out(place, self._level[place], count - self._most))
            self._seen.clear()
            self._level.clear()
        finally:
            self.release()

    def close(self) -> None:
        """Tells what is still to be told; the stream stays open."""
        self.end_minute()
        super().close()

    async def keep(self) -> None:
        """Ends a minute after the other, until it is cancelled."""
        while True:
            await asyncio.sleep(MINUTE_SECONDS)
            self.end_minute()


@contextmanager
def bounded_lines() -> Iterator[BoundedLines]:
    """Writes what the process logs to stderr, bounded, for as long as this is open."""
    handler, root = BoundedLines(sys.stderr), logging.getLogger()
    root.addHandler(handler)
    try:
        yield handler
    finally:
        root.removeHandler(handler)
        handler.close()


class _Formatter(logging.Formatter):
    """Makes one record a text that cannot pass for two: further lines of it are indented."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if len(text) > LONGEST:
            tail = text[-(LONGEST - _HEAD) :]
            text = f"{text[:_HEAD]} [{len(text) - LONGEST} characters left out] {tail}"
        return _CONTROL.sub(_escaped, text).replace("\n", "\n  ")


def _escaped(found: "re.Match[str]") -> str:
    return found[0].encode("unicode_escape").decode()


def _left_out(place: Place, level: int, count: int) -> logging.LogRecord:
    name, path, line = place
    said = "%d more of the last minute were left out"
    return logging.LogRecord(name, level, path, line, said, (count,), None)
