"""What the broker saw and heard of the provider in one attempt: for nothing else is an account
blamed, as all the agent writes may be a user's doing.
"""

import json
import re
from collections.abc import Callable
from typing import Any

import attrs

from codara.adapters.agents.session.lines import message_of
from codara.adapters.agents.session.overhearing import Body, Events
from codara.adapters.egress.lending import Hear
from codara.application.ports.agents import Outcome

Means = Callable[[str, int | None], str]
"""The cause that a refusal's text and status mean."""

_LIMITS = frozenset({"quota_exhausted", "rate_limited"})
_BLAMES = _LIMITS | {"auth_failed", "overloaded"}
_REFUSED = 400
_ERROR = b'"error"'
_STREAMED = (
    ("overloaded", r"overloaded|slow.?down|unavailable|server.?error|api.?error|internal"),
    ("rate_limited", r"rate.?limit|quota|usage.?limit|billing|resource.?exhausted"),
)
_PATTERNS = tuple((cause, re.compile(text, re.IGNORECASE)) for cause, text in _STREAMED)


class Witness:
    """The provider's refusals, as causes of our own.

    `model_path` is how the paths end by which the model itself is asked. Once it has begun to
    answer, tools may run, and ask the provider for what no account may have: a 401 or 403 elsewhere
    is no question of the credential then.
    """

    def __init__(self, means: Means, model_path: str) -> None:
        self._means = means
        self._model_path = model_path
        self._said: set[str] = set()
        self._answered = self._login_over = self._wrong_key = False

    def listen(self, path: str, status: int) -> Hear | None:
        """See `Lending.listen`."""
        asks = path.endswith(self._model_path)
        if status >= _REFUSED:
            deaf_to = "auth_failed" if self._answered and not asks else None

            def refused(body: str) -> None:
                if (cause := self._means(body, status)) != deaf_to:
                    self._said.add(cause)

            refused("")
            return Body(refused).hear
        if not asks:
            return None
        self._answered = True
        return Events(self._heard).hear

    def refused(self, code: str) -> None:
        """The broker itself refused a request, by this code."""
        match code:
            case "login_over":
                self._login_over = True
            case "invalid_token":
                self._wrong_key = True
            case "upstream_unreachable":
                self._said.add("overloaded")

    def judged(self, outcome: Outcome) -> Outcome:
        """The outcome; where it blames the account in vain, with another cause and the reason."""
        cause = outcome.cause or ""
        if outcome.status != "failed" or cause not in _BLAMES or self._saw(cause):
            return outcome
        told = f": {outcome.message}" if outcome.message else ""
        if self._wrong_key:
            why = "the agent showed another key than its jail's; look for one in its home"
            return attrs.evolve(outcome, cause="jail", message=why + told, resets_at=None)
        why = f"the agent gave up as {cause}, but its provider said nothing of the kind"
        return attrs.evolve(outcome, cause="protocol", message=why + told, resets_at=None)

    def _saw(self, cause: str) -> bool:
        if cause == "auth_failed":
            return self._login_over or cause in self._said
        return bool(self._said & _LIMITS) if cause in _LIMITS else cause in self._said

    def _heard(self, data: bytes) -> None:
        """An event of an answer that had begun well; it may be an error."""
        if _ERROR not in data:
            return
        message = message_of(data) or {}
        answer = message.get("response")
        inner = answer.get("error") if isinstance(answer, dict) else None
        error = message.get("error") or inner
        if error is None and message.get("type") == "error":
            error = message
        if error:
            self._failed(error)

    def _failed(self, error: Any) -> None:
        text = json.dumps(error)
        self._said.add(self._means(text, None))
        self._said.update(cause for cause, pattern in _PATTERNS if pattern.search(text))
