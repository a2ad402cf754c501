"""A strict fold: it refuses a fact that cannot have come here, where `evolve` passes it over.

No decision makes such a fact. A log that holds one was not written by Codara, or has lost others.
"""

from collections.abc import Iterable
from typing import Any

import attrs

from codara.domain.aggregates import Aggregate, of_stream
from codara.domain.possible import RULES, Demands, Past, about
from codara.events.base import Recorded, Unknown

_AREAS = {"token": "account"}
"""The area of a stream's facts, where the stream bears another name."""


class ImpossibleOrder(Exception):
    """No decision can have put the fact there; `found` and `expected` say why, in plain words."""

    def __init__(self, stream: str, *, position: int, found: str, expected: str) -> None:
        super().__init__(f"{stream}, position {position}: found {found}, expected {expected}")
        self.stream = stream
        self.position = position
        self.found = found
        self.expected = expected


def strictly(stream: str, recorded: Iterable[Recorded]) -> Any:
    """Returns the state of a stream, folded from its first fact on as `evolve` does.

    ImpossibleOrder for the first fact that cannot have followed those before it; KeyError if no
    aggregate has streams of that kind.
    """
    fold = StrictFold(stream)
    for each in recorded:
        fold.take(each)
    return fold.state


@attrs.define
class StrictFold:
    """A stream, folded fact by fact in the order of the log."""

    stream: str
    state: Any = attrs.field(init=False)
    version: int = attrs.field(default=0, init=False)
    _kind: str = attrs.field(init=False)
    _aggregate: Aggregate = attrs.field(init=False)
    _past: Past = attrs.field(factory=Past, init=False)

    def __attrs_post_init__(self) -> None:
        self._aggregate = of_stream(self.stream)
        self._kind = self.stream.partition("/")[0]
        self.state = self._aggregate.empty

    def take(self, recorded: Recorded) -> None:
        """Folds one more fact; ImpossibleOrder if it cannot come here."""
        event = recorded.event
        for holds, expected in self._demands(recorded):
            if not holds:
                found = f"{event.name} of {about(event)}".removesuffix(" of ")
                raise ImpossibleOrder(
                    self.stream, position=recorded.position, found=found, expected=expected
                )
        self.version = recorded.version
        self._past.add(event)
        self.state = self._aggregate.evolve(self.state, event)

    def _demands(self, recorded: Recorded) -> Demands:
        version = self.version + 1
        yield recorded.version == version, f"version {version} of the stream"
        if isinstance(recorded.event, Unknown):
            return
        area = _AREAS.get(self._kind, self._kind)
        yield recorded.event.name.startswith(f"{area}."), f"a fact of the area {area}"
        if self._kind in RULES:
            at = recorded.metadata.at
            yield from RULES[self._kind](self._past, self.state, recorded.event, at)
