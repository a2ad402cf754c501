"""What an agent's failure means to the caller, and to the account it ran on."""

from datetime import datetime, timedelta

from codara import errors
from codara.application.ports.agents import Outcome
from codara.application.ports.frames import QuotaSeen
from codara.domain import account
from codara.domain.lending import AccountChange
from codara.errorcodes import BY_CODE
from codara.errors import CodaraError
from codara.events.account import QuotaWindow
from codara.events.vocabulary import AccountStatus

_MOST_WINDOWS = 50
_LONGEST_WINDOW = 100
"""Characters of a window's name."""

_ERRORS: dict[str, type[CodaraError]] = {
    "auth_failed": errors.AgentAuthFailed,
    "overloaded": errors.AgentOverloaded,
    "unreachable": errors.ProviderUnreachable,
    "no_program": errors.AgentMissing,
    "context_full": errors.ContextLengthExceeded,
    "unknown_model": errors.ModelNotFound,
    "stalled": errors.AgentStalled,
    "timeout": errors.TurnTimeout,
    "jail": errors.JailUnavailable,
    "no_process": errors.Overloaded,
    "account_gone": errors.NoAccount,
}

_ENDLESS = frozenset({"workspace_file"})
"""Causes that stay until somebody does something: the same request fails the same way."""

_WORDS: dict[str, str] = {
    "auth_failed": "The provider refused the account's credential. An operator must renew it.",
    "quota_exhausted": "The account's quota was used up in the middle of the task.",
    "rate_limited": "The provider limited the account's rate in the middle of the task.",
    "overloaded": "The agent's provider is overloaded. Try again shortly.",
    "unreachable": "The gateway cannot reach the agent's provider. Try again shortly.",
    "no_program": "The {provider} agent is not installed here. Only an operator can install it.",
    "context_full": "The conversation no longer fits the model. Reset the session and go on.",
    "unknown_model": "The provider does not know this model. See GET /v1/models.",
    "unknown_session": "The agent has lost the conversation. Reset the session and go on.",
    "cut_stream": "The connection to the model broke off in the middle of the answer.",
    "length": "The model's answer reached the most tokens it may have.",
    "content_filter": "The provider's filter ended the answer, or refused it.",
    "stalled": "The agent made no progress for as long as is allowed, and was stopped.",
    "timeout": "The task ran for as long as is allowed, and was stopped.",
    "killed": "The agent was killed.",
    "no_process": "All agents are at work, and none became free in time. Try again shortly.",
    "account_gone": "The account was taken away before the task ran on it. Send the request again.",
    "jail": "The agent cannot work in its jail.",
    "workspace_gone": (
        "The workspace's folder was removed while the agent worked in it, and what it did is lost. "
        "Keep the folder while a task runs; the next task gets an empty one."
    ),
    "workspace_file": "A file of the workspace keeps the agent from starting.",
    "crashed": "The agent ended in the middle of the task.",
    "protocol": "The agent said something that could not be understood.",
    "gateway_lost": "The gateway was stopped in the middle of the task.",
}

_CANCELLED: dict[str, str] = {
    "client_gone": "The client left before the task ended.",
    "requested": "The task was cancelled.",
    "shutdown": "The gateway was stopped before the task ended.",
}


def error_of(
    outcome: Outcome,
    *,
    now: datetime,
    untouched: bool,
    provider: str = "requested",
    refusal: CodaraError | None = None,
) -> CodaraError:
    """Returns the error a caller gets: our sentence and the cause; the agent's words are a detail.

    A repetition is safe only while nothing was touched. `refusal` is why no account can be lent
    after this one has failed.
    """
    cause = outcome.cause or "crashed"
    if refusal is not None and _is_of_the_pool(refusal, cause):
        return type(refusal)(
            refusal.message,
            retry_after=refusal.retry_after,
            retry_safe=untouched,
            cause=cause,
            detail=outcome.message,
        )
    retry_after = None
    if outcome.resets_at is not None:
        retry_after = max(0.0, (outcome.resets_at - now).total_seconds())
    words = _WORDS.get(cause, "The agent failed.").format(provider=provider)
    return _ERRORS.get(cause, errors.AgentFailed)(
        outcome.told or words,
        param="model" if cause == "unknown_model" else None,
        retry_after=retry_after,
        retry_safe=untouched
        and cause not in _ENDLESS
        and not isinstance(refusal, errors.AccountRefused),
        cause=cause,
        detail=outcome.message,
    )


def _is_of_the_pool(refusal: CodaraError, cause: str) -> bool:
    """Whether what is wrong with all accounts says more than what was wrong with this one."""
    if cause in ("overloaded", "unreachable"):
        return False
    return cause != "auth_failed" or not isinstance(refusal, errors.AccountRefused)


def not_installed(provider: str, missing: CodaraError) -> CodaraError:
    """Returns the error of a request whose agent is not installed; where that was looked for is a
    detail."""
    words = _WORDS["no_program"].format(provider=provider)
    return errors.AgentMissing(words, cause="no_program", detail=missing.message)


def cancellation_of(cause: str, *, untouched: bool) -> CodaraError:
    """Returns the error that a listener of a cancelled turn gets."""
    kinds: dict[str, type[CodaraError]] = {
        "client_gone": errors.ClientClosedRequest,
        "shutdown": errors.ShuttingDown,
    }
    kind = kinds.get(cause, errors.TaskCancelled)
    return kind(_CANCELLED[cause], retry_safe=untouched, cause=cause)


def recorded_cancellation(cause: str) -> CodaraError:
    """The error of a cancelled turn whose request is made once more: its client is there now."""
    return errors.TaskCancelled(
        f"{_CANCELLED[cause]} What it had done until then stays; send a new request to go on.",
        retry_safe=False,
        cause=cause,
    )


def recorded_error(
    code: str, cause: str, message: str, *, retry_after: float | None, retry_safe: bool
) -> CodaraError:
    """Returns the error that a recorded failure stands for."""
    return BY_CODE.get(code, errors.AgentFailed)(
        message,
        retry_after=retry_after,
        retry_safe=retry_safe and cause not in _ENDLESS,
        cause=cause,
    )


def lesson(outcome: Outcome, *, now: datetime, cooldown: timedelta) -> AccountChange | None:
    """Returns what the failure says about the account; None if nothing."""
    resets_at = outcome.resets_at
    back = resets_at if resets_at is not None and resets_at > now else now + cooldown
    after: AccountStatus
    until: datetime | None
    match outcome.cause:
        case "auth_failed":
            after, until = account.ERROR, None
        case "quota_exhausted":
            after, until = account.EXHAUSTED, back
        case "rate_limited":
            after, until = account.COOLDOWN, back
        case _:
            return None
    return AccountChange(
        after=after, cause=outcome.cause or "", until=until, evidence=outcome.message[:500]
    )


def windows(seen: QuotaSeen | None) -> tuple[QuotaWindow, ...]:
    """What the provider told of the account's quota, as a fact holds it: a bounded number."""
    return tuple(
        QuotaWindow(
            name=window.name[:_LONGEST_WINDOW],
            used_percent=window.used_percent,
            minutes=window.minutes,
            resets_at=window.resets_at,
        )
        for window in (seen.windows[:_MOST_WINDOWS] if seen else ())
    )
