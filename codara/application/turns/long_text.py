"""Text that may be long: a short one stays in its event, a long one becomes a payload."""

import attrs
import orjson

from codara.events.base import PayloadRef
from codara.events.store.log import EventLog
from codara.events.store.payloads import SealedPayload

INLINE_BYTES = 4096
"""What an event holds of one text, as JSON; the rest is in the payload."""

_WIDEST = 6
"""Bytes that one character may take in JSON: a control character is written as an escape."""


@attrs.frozen
class LongText:
    """What the event says, where the whole is, and what must be appended with it."""

    inline: str
    ref: PayloadRef | None = None
    payloads: tuple[SealedPayload, ...] = ()


async def kept(log: EventLog, subject: str, text: str) -> LongText:
    """Seals `text` if it is too long for an event."""
    if len(text) * _WIDEST <= INLINE_BYTES:
        return LongText(text)
    inline = _beginning(text)
    if len(inline) == len(text):
        return LongText(text)
    sealed = await log.seal(subject, text.encode(errors="surrogatepass"))
    return LongText(inline, sealed.ref, (sealed,))


async def whole(log: EventLog, inline: str, ref: PayloadRef | None) -> str:
    """Returns the text that `kept` was given; NotFound once it was erased."""
    if ref is None:
        return inline
    return (await log.open_payload(ref)).decode(errors="surrogatepass")


def _beginning(text: str) -> str:
    """As much of the text as takes `INLINE_BYTES` at most."""
    head = text[:INLINE_BYTES]
    while (size := _size(head)) > INLINE_BYTES:
        head = head[: len(head) * INLINE_BYTES // size]
    return head


def _size(text: str) -> int:
    """Bytes of the text in JSON; a surrogate that stands alone counts for more than it takes."""
    whole = text.encode(errors="surrogatepass").decode(errors="replace")
    return len(orjson.dumps(whole)) - len('""')
