"""Readers of what the provider answers, piece by piece; none of them keeps more than it may."""

from collections.abc import Callable

from codara.adapters.agents.session.lines import Lines, LineTooLong

BODY_LIMIT = 64 * 1024

_DATA = b"data:"


class Events:
    """Reads server-sent events and hands on the data of each; after one without end, nothing."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._lines: Lines | None = Lines()

    def hear(self, piece: bytes) -> None:
        if self._lines is None:
            return
        try:
            lines = self._lines.feed(piece)
        except LineTooLong:
            self._lines = None
            return
        for line in lines:
            if line.startswith(_DATA):
                self._take(line.removeprefix(_DATA).strip())


class Body:
    """Reads a body up to a bound, and tells at each piece what there is of it."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._body = b""

    def hear(self, piece: bytes) -> None:
        if len(self._body) < BODY_LIMIT:
            self._body += piece
            self._tell(self._body.decode("utf-8", "replace"))
