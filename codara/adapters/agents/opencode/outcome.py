"""How an opencode turn ended: by its word, its exit, its session and what we did to it."""

import re
from collections.abc import Mapping

from codara.adapters.agents.opencode.causes import INTERRUPTED, cause_of
from codara.adapters.agents.opencode.reading import OpenCodeReading
from codara.adapters.agents.session.ending import FILTER, LENGTH, Ending, Verdict, ended_early
from codara.application.ports.agents import Outcome
from codara.events.vocabulary import FinishReason

_COLOURS = re.compile(r"\x1b\[[\d;]*m")
_STOP: FinishReason = "stop"
_EARLY: Mapping[str, FinishReason] = {"length": LENGTH, "content-filter": FILTER}
_CUT = {"tool-calls": "the agent ended in the middle of its work"}


def outcome_of(reading: OpenCodeReading, ending: Ending) -> Outcome:
    """Completed only if nothing at all speaks against it."""
    status, cause, message = _verdict(reading, ending)
    come_back = cause in ("quota_exhausted", "rate_limited", "overloaded")
    return Outcome(
        status=status,
        cause=cause,
        message=message,
        backend_id=reading.session_id,
        resets_at=ending.retry_at if come_back else None,
        jailed=ending.jailed,
        finish_reason=_EARLY.get(reading.finish or "", _STOP) if status == "completed" else _STOP,
    )


def _verdict(reading: OpenCodeReading, ending: Ending) -> Verdict:
    if ending.stopped is not None:
        return "failed", ending.stopped, ending.message
    if (failure := reading.failure or reading.fault) is not None:
        return _failed(failure.cause, failure.message)
    if not reading.answered:
        return _without_a_word(ending)
    if ending.exit_code not in (None, 0):
        return "failed", "crashed", f"the agent ended with exit code {ending.exit_code}"
    if ending.expected not in (None, reading.session_id):
        return "failed", "unknown_session", "the agent went on in another session"
    if reading.finish is None:
        return _without_an_answer(ending)
    if reading.finish in _EARLY:
        return ended_early(_EARLY[reading.finish], spoke=reading.speaking is not None)
    if reading.finish != _STOP:
        told = _CUT.get(reading.finish, f"the answer ended as {reading.finish!r}")
        return "failed", "cut_stream", told
    return "completed", None, ""


def _failed(cause: str, message: str) -> Verdict:
    return (INTERRUPTED, None, message) if cause == INTERRUPTED else ("failed", cause, message)


def _without_an_answer(ending: Ending) -> Verdict:
    """No message came to its end, though the agent rests or its process ended well."""
    if ending.exit_code is not None:
        return ending.died(_COLOURS.sub("", ending.stderr))
    return INTERRUPTED, None, "the agent ended the turn without an answer"


def _without_a_word(ending: Ending) -> Verdict:
    stderr = _COLOURS.sub("", ending.stderr)
    if stderr and cause_of(stderr) == "unknown_session":
        return "failed", "unknown_session", stderr
    return ending.died(stderr)
