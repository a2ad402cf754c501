"""The end of a turn, as it looks from outside the agent."""

from datetime import datetime
from typing import Final, Self

import attrs

from codara.adapters.agents.session.output import Exit

PATIENCE = {
    "stalled": "the agent made no progress",
    "timeout": "the turn took longer than it may",
}

_OVERTAKEN = "the agent waited for its account while another one was free; the provider had said"

LENGTH: Final = "length"
FILTER: Final = "content_filter"
_EARLY = {
    LENGTH: "the model's answer reached the most tokens it may have",
    FILTER: "the provider's filter ended the model's answer",
}

Verdict = tuple[str, str | None, str]
"""Status, cause and message of an outcome."""


def ended_early(reason: str, *, spoke: bool) -> Verdict:
    """The verdict on an answer that was cut: part of an answer is one, none of it is a failure."""
    return ("completed", None, "") if spoke else ("failed", reason, _EARLY[reason])


@attrs.frozen(kw_only=True)
class Ending:
    """What is known besides the agent's lines.

    `expected` is the thread that was asked for, None for a fresh one. `exit_code` is None while
    the process lives. `stopped` is our own reason for ending the turn: stalled, timeout, protocol
    or the cause of what made it vain. `retry_at` is when the provider said to come back.
    """

    expected: str | None = None
    exit_code: int | None = None
    stderr: str = ""
    stopped: str | None = None
    message: str = ""
    retry_at: datetime | None = None
    jailed: bool = True

    def impatient(self, reason: str, told: str = "") -> Self:
        """Our patience ended: `stalled`, `timeout`, or a refusal that said what was `told`."""
        message = PATIENCE.get(reason) or f"{_OVERTAKEN}: {told}"
        return attrs.evolve(self, stopped=reason, message=message)

    def exited(self, found: Exit) -> Self:
        """The process ended; that says nothing new about a turn that we stopped."""
        if self.stopped is not None:
            return self
        if found.broken:
            return attrs.evolve(self, stopped="protocol", message=found.broken)
        return attrs.evolve(self, exit_code=found.code, stderr=found.stderr)

    def died(self, told: str) -> Verdict:
        """Returns the verdict on a process that ended without a word on the turn."""
        code = "" if self.exit_code is None else f" (exit code {self.exit_code})"
        why = f": {told}" if told else ""
        return "failed", "crashed", f"the agent ended in the middle of the turn{code}{why}"
