"""Text that may be long: a short one stays in its event, a long one becomes a payload."""

import attrs

from codara.events.base import PayloadRef
from codara.events.log import EventLog
from codara.events.payloads import SealedPayload

INLINE_BYTES = 4096
"""What an event holds of one text; the rest is in the payload."""


@attrs.frozen
class Text:
    """What the event says, where the whole is, and what must be appended with it."""

    inline: str
    ref: PayloadRef | None = None
    payloads: tuple[SealedPayload, ...] = ()


async def kept(log: EventLog, subject: str, text: str) -> Text:
    """Seals `text` if it is too long for an event."""
    if len(text) * 4 <= INLINE_BYTES:
        return Text(text)
    data = text.encode(errors="surrogatepass")
    if len(data) <= INLINE_BYTES:
        return Text(text)
    sealed = await log.seal(subject, data)
    return Text(data[:INLINE_BYTES].decode(errors="ignore"), sealed.ref, (sealed,))


async def whole(log: EventLog, inline: str, ref: PayloadRef | None) -> str:
    """The text that `kept` was given; NotFound once it was erased."""
    if ref is None:
        return inline
    return (await log.open_payload(ref)).decode(errors="surrogatepass")
