"""What the model says to codex, overheard on its way: codex is silent about what it cannot show.

codex drops a message that was cut, and a refusal, and calls such a turn a success.
"""

import attrs

from codara.adapters.agents.session.lines import Message, message_of
from codara.adapters.agents.session.overhearing import Events
from codara.adapters.egress.lending import Hear

MODEL_PATH = "/responses"
"""How the paths end by which the model itself is asked."""

_REFUSED = 400
_REFUSAL = "response.refusal."
_TELLING = (b'"response.output_item.', b'"response.refusal.', b'"response.completed"')
"""Events of which one is read; the others are the answer itself."""


@attrs.define
class CodexAnswer:
    """One answer of the model so far.

    `open` counts its messages that began and did not end. `over` turns true with the model's own
    word that nothing more comes, `refused` with the first word of a refusal.
    """

    open: int = 0
    over: bool = False
    refused: bool = False

    @property
    def is_broken(self) -> bool:
        """Whether it is said to be over in the middle of a message."""
        return self.over and self.open > 0

    def hear(self, data: bytes) -> None:
        """Takes the data of an event."""
        if any(kind in data for kind in _TELLING):
            self._take(message_of(data) or {})

    def _take(self, event: Message) -> None:
        kind, item = str(event.get("type")), event.get("item")
        if kind == "response.completed":
            self.over = True
        elif kind.startswith(_REFUSAL):
            self.refused = True
        elif isinstance(item, dict) and item.get("type") == "message":
            self._message(kind, item)

    def _message(self, kind: str, item: Message) -> None:
        if kind == "response.output_item.added":
            self.open += 1
        elif kind == "response.output_item.done":
            self.open = max(0, self.open - 1)
            self.refused = self.refused or _refuses(item)


class CodexWire:
    """The answers of one turn; `last` is the one that began last."""

    def __init__(self) -> None:
        self.last: CodexAnswer | None = None

    def listen(self, path: str, status: int) -> Hear | None:
        """See `Lending.listen`."""
        if status >= _REFUSED or not path.endswith(MODEL_PATH):
            return None
        self.last = CodexAnswer()
        return Events(self.last.hear).hear


def _refuses(item: Message) -> bool:
    content = item.get("content")
    parts = content if isinstance(content, list) else ()
    return any(isinstance(part, dict) and part.get("type") == "refusal" for part in parts)
