"""What the provider says to gemini, overheard on its way: gemini itself hides the half of it.

An answer that stops in the middle is a success to gemini, and a request it makes again says the
same words twice; neither shows in its own protocol.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any

import attrs

from codara.adapters.agents.gemini.causes import cause_of
from codara.adapters.agents.gemini.quota import windows_of
from codara.adapters.agents.session import ratelimits
from codara.adapters.agents.session.lines import message_of
from codara.adapters.agents.session.overhearing import Body, Events
from codara.application.ports.frames import Reports, UsageSeen, WindowSeen
from codara.clock import Clock

MODEL_PATH = ":streamGenerateContent"
"""How the paths end by which the model itself is asked."""

_ASIDE = ":generateContent"
"""What gemini asks for itself: a summary, a check, a search."""
_QUOTA = ":retrieveUserQuota"
_ASKED_AGAIN = (None, "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL")
"""Ends of an answer in whose place gemini asks for another one."""
_WHOLE_LIMIT = 16 * 1024 * 1024
_LONG = timedelta(minutes=5)
_PACIFIC = timezone(timedelta(hours=-8))
_SECONDS = re.compile(r'"retryDelay":\s*"(\d+(?:\.\d+)?)s"')


@attrs.define
class GeminiAnswer:
    """One answer of the model; `finish` is its own word that it is whole."""

    status: int
    finish: str | None = None
    usage: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.define
class ProviderRefused:
    """Why a request had no answer of the model, and when to come back."""

    cause: str
    until: datetime | None


class GeminiWire:
    """The answers of one turn.

    `answering` is called when the model begins to answer, with the answer before it that was never
    finished, if there is one; `refusing` when it does not, with the reason; `moving` whenever an
    event of an answer came; `quota` with what is left of the account's. `refused` is why the last
    request had no answer, None if it had one.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        answering: Callable[[GeminiAnswer | None], None],
        refusing: Callable[[str], None],
        moving: Callable[[], None],
        quota: Callable[[tuple[WindowSeen, ...]], None],
    ) -> None:
        self.last: GeminiAnswer | None = None
        self.refused: ProviderRefused | None = None
        self._clock = clock
        self._answering = answering
        self._refusing = refusing
        self._moving = moving
        self._quota = quota
        self._answers: list[GeminiAnswer] = []

    def listen(self, path: str, status: int) -> Callable[[bytes], None] | None:
        """See `Lending.listen`."""
        if path.endswith(_QUOTA) and status < 400:
            return Body(self._told_quota).hear
        if path.endswith(_ASIDE) and status < 400:
            return _Whole(self._began(status)).hear
        if not path.endswith(MODEL_PATH):
            return None
        if status >= 400:
            self.refused = ProviderRefused(cause_of("", status), None)
            self._refusing(f"the provider answered {status}")
            return Body(partial(self._complained, status)).hear
        before = self.last
        self._answering(before if before is not None and before.finish in _ASKED_AGAIN else None)
        self.refused = None
        self.last = self._began(status)
        return Events(partial(self._told, self.last)).hear

    def unreachable(self, path: str) -> None:
        """A request came to nobody."""
        if path.endswith(MODEL_PATH):
            self.refused = ProviderRefused("overloaded", None)
            self._refusing("the provider cannot be reached")

    def usage(self) -> UsageSeen | None:
        """Returns what all answers took; None where none of them told."""
        told = [answer.usage for answer in self._answers if answer.usage]
        if not told:
            return None
        thoughts = _sum(told, "thoughtsTokenCount")
        return UsageSeen(
            input=_sum(told, "promptTokenCount") + _sum(told, "toolUsePromptTokenCount"),
            cached=_sum(told, "cachedContentTokenCount"),
            cache_write=0,
            output=_sum(told, "candidatesTokenCount") + thoughts,
            reasoning=thoughts,
            raw=Reports().plus(*told),
        )

    def _began(self, status: int) -> GeminiAnswer:
        answer = GeminiAnswer(status)
        self._answers.append(answer)
        return answer

    def _told(self, answer: GeminiAnswer, data: bytes) -> None:
        """What only keeps a connection alive is no event."""
        if _take(answer, data):
            self._moving()

    def _told_quota(self, body: str) -> None:
        if windows := windows_of(body):
            self._quota(windows)

    def _complained(self, status: int, body: str) -> None:
        cause = cause_of(body, status)
        limited = cause in ("rate_limited", "quota_exhausted")
        self.refused = ProviderRefused(
            cause, _until(body, cause, self._clock()) if limited else None
        )


class _Whole:
    """Reads an answer that comes in one piece of JSON, once it is all there."""

    def __init__(self, answer: GeminiAnswer) -> None:
        self._answer = answer
        self._parts: list[bytes] = []
        self._left = _WHOLE_LIMIT

    def hear(self, piece: bytes) -> None:
        self._left -= len(piece)
        if self._left < 0:
            self._parts.clear()
            return
        self._parts.append(piece)
        if piece.rstrip().endswith(b"}"):
            _take(self._answer, b"".join(self._parts))


def _take(answer: GeminiAnswer, data: bytes) -> bool:
    """Whether there was anything in it."""
    message = message_of(data.strip())
    if not message:
        return False
    wrapped = message.get("response")
    if isinstance(wrapped, dict):  # as it is answered to a login
        message = wrapped
    usage = message.get("usageMetadata")
    if isinstance(usage, dict):
        answer.usage = usage
    candidates = message.get("candidates")
    first = candidates[0] if isinstance(candidates, list) and candidates else {}
    blocked = (message.get("promptFeedback") or {}).get("blockReason")
    finish = first.get("finishReason") or blocked
    if finish:
        answer.finish = str(finish)
    return True


def _sum(told: list[Mapping[str, Any]], name: str) -> int:
    return sum(int(each.get(name) or 0) for each in told)


def _until(body: str, cause: str, now: datetime) -> datetime | None:
    """Returns when the quota is back: midnight Pacific time for a daily one with a short delay."""
    found = _SECONDS.search(body)
    back = ratelimits.after(float(found[1]), now) if found else None
    if cause == "rate_limited":
        return back
    if back is not None and back - now > _LONG:
        return back
    tomorrow = now.astimezone(_PACIFIC) + timedelta(days=1)
    return tomorrow.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
