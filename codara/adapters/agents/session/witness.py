"""What the broker saw and heard of the provider in one attempt: for nothing else is an account
blamed, as all the agent writes may be a user's doing.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import attrs

from codara.adapters.agents.session import ratelimits
from codara.adapters.agents.session.lines import message_of
from codara.adapters.agents.session.overhearing import Body, Events
from codara.adapters.egress.lending import Hear
from codara.application.ports.agents import Outcome

Means = Callable[[str, int | None], str]
"""The cause that a refusal's text and status mean."""

_LIMITS = frozenset({"quota_exhausted", "rate_limited"})
_OF_ACCOUNTS = _LIMITS | {"auth_failed"}
_WORDS_KEPT = 300
_BLAMES = _LIMITS | {"auth_failed", "overloaded"}
_TELL_TIMES = _LIMITS | {"overloaded"}
"""Causes with which the provider may have said when to come back."""
_CUT_OFF = _BLAMES | {"cut_stream", "protocol", "crashed", "stalled", "timeout"}
"""How an agent may end that did not reach its provider."""
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
    is no question of the credential then. `refusing` is called when the account is refused;
    `pending` is the cause as long as the model has not answered since, `words` what was said.
    `back` is when the provider said to come back, as its last refusal had it.
    """

    def __init__(
        self, means: Means, model_path: str, refusing: Callable[[], None] = lambda: None
    ) -> None:
        self._means = means
        self._refusing = refusing
        self.pending = self.words = ""
        self._model_path = model_path
        self.back: datetime | None = None
        self._now: datetime | None = None
        self._unreachable = ""
        self._said: set[str] = set()
        self._answered = self._login_over = self._wrong_key = False

    def observe(self, status: int, headers: Mapping[str, str], now: datetime) -> None:
        """See `Lending.observe`; it is called before `listen`."""
        self._now = now
        if status >= _REFUSED:
            self.back = ratelimits.come_back(headers, now)

    def listen(self, path: str, status: int) -> Hear | None:
        """See `Lending.listen`."""
        self._unreachable = ""
        asks = path.endswith(self._model_path)
        if status >= _REFUSED:
            deaf_to = "auth_failed" if self._answered and not asks else None

            def refused(body: str) -> None:
                self._hear_time(body)
                self._waits(self._means(body, status) if asks else "", body)
                if (cause := self._means(body, status)) != deaf_to:
                    self._said.add(cause)

            refused("")
            return Body(refused).hear
        if not asks:
            return None
        self._answered, self.pending = True, ""
        return Events(self._heard).hear

    def refused(self, path: str, code: str, told: str = "") -> None:
        """The broker itself refused a request, by this code; see `Lending.refused`."""
        match code:
            case "login_over":
                self._login_over = True
            case "invalid_token":
                self._wrong_key = True
            case "upstream_unreachable" if path.endswith(self._model_path) or not self._answered:
                self._unreachable = told

    def judged(self, outcome: Outcome) -> Outcome:
        """The outcome; where it blames the account in vain, with another cause and the reason."""
        cause = outcome.cause or ""
        if outcome.status == "failed" and self._unreachable and cause in _CUT_OFF:
            return attrs.evolve(
                outcome, cause="unreachable", told=self._unreachable, resets_at=None
            )
        if cause in _TELL_TIMES and outcome.resets_at is None:
            outcome = attrs.evolve(outcome, resets_at=self.back)
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

    def _waits(self, cause: str, body: str) -> None:
        """Notes for what the agent may wait now, if another account would not have to."""
        if cause in _OF_ACCOUNTS:
            self.pending, self.words = cause, body[:_WORDS_KEPT]
            self._refusing()

    def _hear_time(self, body: str) -> None:
        if self._now is not None:
            self.back = ratelimits.told_back(body, self._now) or self.back

    def _failed(self, error: Any) -> None:
        text = json.dumps(error)
        self._hear_time(text)
        self._said.add(self._means(text, None))
        self._said.update(cause for cause, pattern in _PATTERNS if pattern.search(text))
