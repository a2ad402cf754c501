"""An HTTP answer of the gateway, read whole, as a test asks it."""

from collections.abc import Mapping
from typing import Any

import attrs


@attrs.frozen
class Reply:
    """Status, headers and the decoded body; of a stream, `body` is the list of its blocks."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def code(self) -> str:
        """What kind of error it is."""
        return str(self.body["error"]["code"])

    @property
    def param(self) -> Any:
        """Which field of the request was wrong."""
        return self.body["error"]["param"]

    @property
    def data(self) -> Any:
        return self.body["data"]

    @property
    def meta(self) -> Any:
        return self.body["meta"]

    @property
    def text(self) -> str:
        """What the agent answered."""
        return str(self.body["choices"][0]["message"]["content"])

    @property
    def ours(self) -> dict[str, Any]:
        """The part of a completion that other servers do not have."""
        found: dict[str, Any] = self.body["codara"]
        return found

    @property
    def session(self) -> str:
        return str(self.ours["session_id"])

    @property
    def thread(self) -> str:
        return str(self.ours["thread"])
