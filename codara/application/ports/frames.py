"""Frames: what an agent says while it works, in our own words."""

from collections.abc import Mapping
from datetime import datetime

import attrs

REPORTS_KEPT = 64
FRESH_THREAD = "fresh_thread"
"""The message of the warning that a fresh thread began, because the agent had lost the old one."""
TEXT_REPLACED = "text_replaced"
"""The message of the warning that U+FFFD stands for what the agent wrote and is no text."""


@attrs.frozen
class TextDelta:
    """A piece of the answer."""

    text: str


@attrs.frozen
class ReasoningDelta:
    """A piece of the agent's thinking."""

    text: str


@attrs.frozen
class ToolStarted:
    """The agent began something that may change files, or anything else."""

    tool_id: str
    kind: str
    title: str


@attrs.frozen
class ToolFinished:
    tool_id: str
    ok: bool


@attrs.frozen
class FileHint:
    """The agent says that it changed these paths; only the workspace's diff is certain."""

    paths: tuple[str, ...]


@attrs.frozen
class Reports:
    """What an agent reported of its tokens, in its own words: the newest reports, oldest first."""

    newest: tuple[Mapping[str, object], ...] = ()
    left_out: int = 0
    """The number of older reports that were dropped."""

    def plus(self, *later: Mapping[str, object]) -> "Reports":
        """Returns these reports followed by `later`; only the newest `REPORTS_KEPT` are kept."""
        known = (*self.newest, *later)
        newest = known[-REPORTS_KEPT:]
        return Reports(newest, self.left_out + len(known) - len(newest))


@attrs.frozen
class UsageSeen:
    """Tokens of this turn so far.

    `raw` has one report for each request, if the agent reports on each; else one for the turn.
    """

    input: int
    cached: int
    cache_write: int
    output: int
    reasoning: int
    raw: Reports


@attrs.frozen
class WindowSeen:
    name: str
    used_percent: float | None
    minutes: int | None
    resets_at: datetime | None


@attrs.frozen
class QuotaSeen:
    """The provider told how much of the account's quota is used."""

    source: str
    windows: tuple[WindowSeen, ...]


@attrs.frozen
class RetryNotice:
    """The agent is trying again by itself: a reason to wait, but no progress."""

    reason: str


@attrs.frozen
class BackendSeen:
    """The agent's own id of the conversation."""

    backend_id: str


@attrs.frozen
class MarkSeen:
    """The agent's own id of the point that its thread has reached; the last of a turn counts.

    A later turn may branch the thread there (`Fork`).
    """

    mark: str


@attrs.frozen
class Warned:
    """The agent reports a problem that does not make the turn fail."""

    message: str


Frame = (
    TextDelta
    | ReasoningDelta
    | ToolStarted
    | ToolFinished
    | FileHint
    | UsageSeen
    | QuotaSeen
    | RetryNotice
    | BackendSeen
    | MarkSeen
    | Warned
)
