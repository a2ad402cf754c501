"""How a claude turn ended: by its word, its exit, its thread and what we did to it, together."""

from datetime import datetime

import attrs

from codara.adapters.agents.claude.causes import cause_of
from codara.adapters.agents.claude.reading import Reading
from codara.application.ports.agents import Outcome

_LIMITS = ("quota_exhausted", "rate_limited")


@attrs.frozen(kw_only=True)
class Ending:
    """What is known besides the agent's lines.

    `expected` is the thread that was asked for. `exit_code` is None while the process lives.
    `stopped` is our own reason for ending it: stalled, timeout or protocol. `retry_at` is when the
    provider said to come back, `used_up` whether it said that a quota is.
    """

    expected: str | None = None
    exit_code: int | None = None
    stderr: str = ""
    stopped: str | None = None
    message: str = ""
    retry_at: datetime | None = None
    used_up: bool = False
    jailed: bool = True


def outcome_of(reading: Reading, ending: Ending) -> Outcome:
    """Completed only if nothing at all speaks against it."""
    status, cause, message = _verdict(reading, ending)
    if cause == "rate_limited" and ending.used_up:
        cause = "quota_exhausted"
    return Outcome(
        status=status,
        cause=cause,
        message=message,
        backend_id=reading.thread_id,
        resets_at=ending.retry_at if cause in _LIMITS else None,
        jailed=ending.jailed,
    )


def _verdict(reading: Reading, ending: Ending) -> tuple[str, str | None, str]:
    said = reading.ended
    if ending.stopped is not None:
        return "failed", ending.stopped, ending.message
    if said is None:
        return _without_a_word(ending)
    if said.status != "completed":
        return said.status, said.cause, said.message
    if ending.expected not in (None, reading.thread_id):
        return "failed", "protocol", "the agent went on in another thread"
    if ending.exit_code not in (None, 0):
        return "failed", "crashed", f"the agent ended with exit code {ending.exit_code}"
    return "completed", None, ""


def _without_a_word(ending: Ending) -> tuple[str, str | None, str]:
    if ending.stderr and cause_of(ending.stderr) == "unknown_session":
        return "failed", "unknown_session", ending.stderr
    code = "" if ending.exit_code is None else f" (exit code {ending.exit_code})"
    told = f": {ending.stderr}" if ending.stderr else ""
    return "failed", "crashed", f"the agent ended in the middle of the turn{code}{told}"
