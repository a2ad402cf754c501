"""How a codex turn ended: by its word, its exit, its thread and what we did to it, together."""

from datetime import datetime

from codara.adapters.agents.codex.causes import cause_of
from codara.adapters.agents.codex.reading import CodexReading
from codara.adapters.agents.codex.wire import CodexAnswer
from codara.adapters.agents.session.ending import FILTER, Ending, Verdict, ended_early
from codara.application.ports.agents import Outcome
from codara.application.ports.frames import WindowSeen
from codara.events.vocabulary import FinishReason

_ENOUGH = 100.0
_STOP: FinishReason = "stop"


def outcome_of(
    reading: CodexReading, ending: Ending, overheard: CodexAnswer | None = None
) -> Outcome:
    """Completed only if nothing at all speaks against it.

    `overheard` is the model's last answer, where anybody listened.
    """
    answer = overheard or CodexAnswer()
    status, cause, message = _verdict(reading, ending, answer)
    resets_at = None
    if cause in ("quota_exhausted", "rate_limited"):
        resets_at = _resets_at(reading.windows) or ending.retry_at
    return Outcome(
        status=status,
        cause=cause,
        message=message,
        backend_id=reading.thread_id,
        resets_at=resets_at,
        jailed=ending.jailed,
        finish_reason=FILTER if status == "completed" and answer.refused else _STOP,
    )


def _verdict(reading: CodexReading, ending: Ending, answer: CodexAnswer) -> Verdict:
    said = reading.ended
    if ending.stopped is not None:
        return "failed", ending.stopped, ending.message
    if said is None:
        return _without_a_word(ending)
    if said.status == "failed":
        return "failed", said.cause or cause_of(said.message), said.message
    if said.status == "interrupted":
        return "interrupted", None, said.message
    if said.status != "completed":
        return "failed", "protocol", f"the agent ended the turn as {said.status!r}"
    if ending.expected not in (None, reading.thread_id):
        return "failed", "unknown_session", "the agent went on in another thread"
    if ending.exit_code not in (None, 0):
        return "failed", "crashed", f"the agent ended with exit code {ending.exit_code}"
    return _by_the_model(reading, answer)


def _by_the_model(reading: CodexReading, answer: CodexAnswer) -> Verdict:
    """codex calls it a success whatever became of the model's answer."""
    if reading.torn:
        return "failed", "cut_stream", "the answer ended as another one than it had begun"
    if answer.refused:
        return ended_early(FILTER, spoke=reading.speaking is not None)
    if reading.open or answer.is_broken:
        return "failed", "cut_stream", "the model's answer broke off before its end"
    if not reading.answered:
        return "failed", "protocol", "codex ended the turn without an answer of the model"
    return "completed", None, ""


def _without_a_word(ending: Ending) -> Verdict:
    cause = cause_of(ending.stderr) if ending.stderr else "protocol"
    if cause == "unknown_session":
        return "failed", cause, ending.stderr
    return ending.died(ending.stderr)


def _resets_at(windows: tuple[WindowSeen, ...]) -> datetime | None:
    full = [seen for seen in windows if (seen.used_percent or 0.0) >= _ENOUGH]
    times = [seen.resets_at for seen in full if seen.resets_at is not None]
    return max(times, default=None)
