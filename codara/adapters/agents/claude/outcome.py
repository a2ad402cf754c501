"""How a claude turn ended: by its word, its exit, its thread and what we did to it, together."""

from collections.abc import Mapping

from codara.adapters.agents.claude.causes import cause_of
from codara.adapters.agents.claude.reading import CUT_SHORT, ClaudeEnded, ClaudeReading
from codara.adapters.agents.session.ending import FILTER, LENGTH, Ending, Verdict, ended_early
from codara.application.ports.agents import Outcome
from codara.events.vocabulary import FinishReason

_LIMITS = ("quota_exhausted", "rate_limited")
_STOP: FinishReason = "stop"
_STOPS: Mapping[str, FinishReason] = {
    "end_turn": _STOP,
    "stop_sequence": _STOP,
    CUT_SHORT: LENGTH,
    "model_context_window_exceeded": LENGTH,
    "refusal": FILTER,
}


def outcome_of(reading: ClaudeReading, ending: Ending, *, used_up: bool = False) -> Outcome:
    """Returns how the turn ended: completed only if nothing at all speaks against it.

    `used_up` says that the provider reported a used-up quota. A thread that claude does not know
    counts as no thread.
    """
    status, cause, message = _verdict(reading, ending)
    if cause == "rate_limited" and used_up:
        cause = "quota_exhausted"
    return Outcome(
        status=status,
        cause=cause,
        message=message,
        backend_id=None if cause == "unknown_session" else reading.thread_id,
        resets_at=ending.retry_at if cause in _LIMITS else None,
        jailed=ending.jailed,
        finish_reason=_finish(reading.ended) if status == "completed" else _STOP,
    )


def _verdict(reading: ClaudeReading, ending: Ending) -> Verdict:
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
    return _by_the_model(said, spoke=reading.speaking is not None)


def _by_the_model(said: ClaudeEnded, *, spoke: bool) -> Verdict:
    """claude calls it a success also where the model did not."""
    if said.stop is None:
        return "failed", "cut_stream", "the model's answer broke off"
    match _STOPS.get(said.stop):
        case None:
            return "failed", "protocol", f"the model ended its answer with {said.stop}"
        case "stop":
            return "completed", None, ""
        case reason:
            return ended_early(reason, spoke=spoke)


def _finish(said: ClaudeEnded | None) -> FinishReason:
    return _STOPS.get((said.stop if said else None) or "", _STOP)


def _without_a_word(ending: Ending) -> Verdict:
    if ending.stderr and cause_of(ending.stderr) == "unknown_session":
        return "failed", "unknown_session", ending.stderr
    return ending.died(ending.stderr)
