"""How a gemini turn ended: by its word, the provider's, its exit, its session and what we did."""

import attrs

from codara.adapters.agents.gemini.causes import cause_of, without_noise
from codara.adapters.agents.gemini.reading import Ended, Reading
from codara.adapters.agents.gemini.wire import Answer, Refused
from codara.application.ports.agents import Outcome

_LIMITED = ("quota_exhausted", "rate_limited")
_NO_SESSION = "unknown_session"


@attrs.frozen(kw_only=True)
class Ending:
    """What is known besides the agent's lines.

    `expected` is the session that was asked for, None for a fresh one. `exit_code` is None while
    the process lives. `stopped` is our own reason for ending it: stalled, timeout or protocol.
    `overheard` tells whether the provider's answers were: `answer` is then the last of them.
    """

    expected: str | None = None
    exit_code: int | None = None
    stderr: str = ""
    stopped: str | None = None
    message: str = ""
    overheard: bool = False
    answer: Answer | None = None
    refused: Refused | None = None
    jailed: bool = True


def outcome_of(reading: Reading, ending: Ending) -> Outcome:
    """Completed only if nothing at all speaks against it."""
    status, cause, message = _verdict(reading, ending)
    refused = ending.refused
    if cause in _LIMITED and refused is not None:
        cause = refused.cause
    limited = cause in _LIMITED and refused is not None
    return Outcome(
        status=status,
        cause=cause,
        message=message,
        backend_id=reading.session_id,
        resets_at=refused.until if limited and refused is not None else None,
        jailed=ending.jailed,
    )


def _verdict(reading: Reading, ending: Ending) -> tuple[str, str | None, str]:
    said = reading.ended
    if ending.stopped is not None:
        return "failed", ending.stopped, ending.message
    if said is None:
        return _without_a_word(ending)
    if said.status == "failed":
        return _failure(said, ending)
    if said.status == "interrupted":
        return "interrupted", None, said.message
    if ending.expected not in (None, reading.session_id):
        return "failed", _NO_SESSION, "the agent went on in another session"
    if ending.exit_code not in (None, 0):
        return "failed", "crashed", f"the agent ended with exit code {ending.exit_code}"
    if reading.torn:
        return "failed", "cut_stream", "the answer broke off, and gemini began another one"
    return _by_the_provider(ending)


def _failure(said: Ended, ending: Ending) -> tuple[str, str | None, str]:
    """gemini has words of its own for an answer that broke off."""
    cause = said.cause or cause_of(said.message)
    cut = ending.answer is not None and ending.answer.finish is None
    if cause == "cut_stream" or (cause == "protocol" and cut):
        return "failed", "cut_stream", f"the model's answer broke off: {said.message}"
    return "failed", cause, said.message


def _by_the_provider(ending: Ending) -> tuple[str, str | None, str]:
    """gemini calls it a success whatever became of the model's last answer."""
    if not ending.overheard:
        return "completed", None, ""
    if ending.answer is None:
        return "failed", "protocol", "gemini ended the turn without an answer of the model"
    match ending.answer.finish:
        case "STOP":
            return "completed", None, ""
        case None:
            return "failed", "cut_stream", "the model's answer broke off before its end"
        case "MAX_TOKENS":
            return "failed", "cut_stream", "the model's answer reached the most tokens it may have"
        case reason:
            return "failed", "protocol", f"the model ended its answer with {reason}"


def _without_a_word(ending: Ending) -> tuple[str, str | None, str]:
    stderr = without_noise(ending.stderr)
    cause = cause_of(stderr) if stderr else "protocol"
    if cause in (_NO_SESSION, "auth_failed"):
        return "failed", cause, stderr
    code = "" if ending.exit_code is None else f" (exit code {ending.exit_code})"
    told = f": {stderr}" if stderr else ""
    return "failed", "crashed", f"the agent ended in the middle of the turn{code}{told}"
