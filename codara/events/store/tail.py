"""The newest stored events, in memory: followers close behind the head need no disk."""

from collections import deque
from collections.abc import Sequence

from eventsourcing.persistence import StoredEvent

from codara.events.store.reader import Row

MOST_EVENTS = 64
MOST_BYTES = 128 * 1024
"""Decoded in about a millisecond, so that reading the tail may happen on the event loop."""


class Tail:
    """The last rows of the log, without a gap, up to the last commit."""

    def __init__(self) -> None:
        self._rows: deque[Row] = deque()
        self._bytes = 0

    def extend(self, last: int, committed: Sequence[StoredEvent]) -> None:
        """Takes the events of one transaction; `last` is the position of the last of them."""
        for position, stored in enumerate(committed, last - len(committed) + 1):
            stream, version = str(stored.originator_id), stored.originator_version
            self._rows.append((position, stream, version, stored.topic, stored.state))
            self._bytes += len(stored.state)
        while len(self._rows) > MOST_EVENTS or self._bytes > MOST_BYTES:
            self._bytes -= len(self._rows.popleft()[-1])

    def behind(self, after: int, *, limit: int, until: int | None) -> Sequence[Row] | None:
        """At most `limit` rows behind `after`, up to and with `until`.

        None if the tail does not reach so far back.
        """
        if not self._rows or self._rows[0][0] > after + 1:
            return None
        last = self._rows[-1][0] if until is None else until
        return [row for row in self._rows if after < row[0] <= last][:limit]
