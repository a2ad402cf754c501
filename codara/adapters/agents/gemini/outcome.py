"""How a gemini turn ended: by its word, the provider's, its exit, its session and what we did."""

from collections.abc import Mapping

import attrs

from codara.adapters.agents.gemini.causes import cause_of, without_noise
from codara.adapters.agents.gemini.reading import GeminiEnded, GeminiReading
from codara.adapters.agents.gemini.wire import GeminiAnswer, ProviderRefused
from codara.adapters.agents.session.ending import FILTER, LENGTH, Ending, Verdict, ended_early
from codara.application.ports.agents import Outcome
from codara.events.vocabulary import FinishReason

_LIMITED = ("quota_exhausted", "rate_limited")
_NO_SESSION = "unknown_session"
_STOP: FinishReason = "stop"
_FILTERED = (
    *("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"),
    *("IMAGE_SAFETY", "MODEL_ARMOR"),
)
_EARLY: Mapping[str, FinishReason] = {"MAX_TOKENS": LENGTH, **dict.fromkeys(_FILTERED, FILTER)}
"""Google's words for an answer that was ended early."""


@attrs.frozen(kw_only=True)
class Overheard:
    """What the provider answered: the last answer, and why the last request had none."""

    answer: GeminiAnswer | None = None
    refused: ProviderRefused | None = None


def outcome_of(
    reading: GeminiReading, ending: Ending, overheard: Overheard | None = None
) -> Outcome:
    """Completed only if nothing at all speaks against it."""
    status, cause, message = _verdict(reading, ending, overheard)
    refused = overheard.refused if overheard else None
    limited = cause in _LIMITED and refused is not None and refused.cause in _LIMITED
    if limited and refused is not None:
        cause = refused.cause
    completed = status == "completed"
    return Outcome(
        status=status,
        cause=cause,
        message=message,
        backend_id=reading.session_id,
        resets_at=refused.until if limited and refused is not None else None,
        jailed=ending.jailed,
        finish_reason=_EARLY.get(_finish(overheard) or "", _STOP) if completed else _STOP,
    )


def _verdict(reading: GeminiReading, ending: Ending, overheard: Overheard | None) -> Verdict:
    said = reading.ended
    if ending.stopped is not None:
        return "failed", ending.stopped, ending.message
    if said is None:
        return _without_a_word(ending)
    if said.status == "failed":
        return _failure(said, overheard)
    if said.status == "interrupted":
        return "interrupted", None, said.message
    lost = reading.astray and not reading.spoke
    if lost or ending.expected not in (None, reading.session_id):
        return "failed", _NO_SESSION, "the agent went on in another session"
    if ending.exit_code not in (None, 0):
        return "failed", "crashed", f"the agent ended with exit code {ending.exit_code}"
    if reading.torn or reading.echo:
        return "failed", "cut_stream", "the answer broke off, and gemini began another one"
    return _by_the_provider(overheard, spoke=bool(reading.passage))


def _failure(said: GeminiEnded, overheard: Overheard | None) -> Verdict:
    """gemini has words of its own for an answer that broke off."""
    cause = said.cause or cause_of(said.message)
    answer = overheard.answer if overheard else None
    cut = answer is not None and answer.finish is None
    if cause == "cut_stream" or (cause == "protocol" and cut):
        return "failed", "cut_stream", f"the model's answer broke off: {said.message}"
    if cause == "protocol" and answer is not None and answer.finish != "STOP":
        return _by_the_provider(overheard, spoke=False)
    return "failed", cause, said.message


def _finish(overheard: Overheard | None) -> str | None:
    return overheard.answer.finish if overheard and overheard.answer else None


def _by_the_provider(overheard: Overheard | None, *, spoke: bool) -> Verdict:
    """gemini calls it a success whatever became of the model's last answer."""
    if overheard is None:
        return "completed", None, ""
    if overheard.refused is not None:
        return "failed", overheard.refused.cause, "the provider refused the agent's last request"
    if overheard.answer is None:
        return "failed", "protocol", "gemini ended the turn without an answer of the model"
    match overheard.answer.finish:
        case "STOP":
            return "completed", None, ""
        case None:
            return "failed", "cut_stream", "the model's answer broke off before its end"
        case reason if reason in _EARLY:
            return ended_early(_EARLY[reason], spoke=spoke)
        case reason:
            return "failed", "protocol", f"the model ended its answer with {reason}"


def _without_a_word(ending: Ending) -> Verdict:
    stderr = without_noise(ending.stderr)
    cause = cause_of(stderr) if stderr else "protocol"
    if cause in (_NO_SESSION, "auth_failed"):
        return "failed", cause, stderr
    return ending.died(stderr)
