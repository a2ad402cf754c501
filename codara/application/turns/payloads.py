"""Payloads on their way into the log with the end of a turn."""

import attrs

from codara.application.turns import long_text
from codara.application.turns.context import Context
from codara.events.base import PayloadRef
from codara.events.store.payloads import SealedPayload


@attrs.define(kw_only=True)
class Parcel:
    """Payloads that are appended with the end."""

    context: Context
    subject: str
    payloads: list[SealedPayload] = attrs.field(factory=list)

    async def text(self, text: str) -> long_text.LongText:
        """Keeps a text, as a payload if it is long."""
        kept = await long_text.kept(self.context.log, self.subject, text)
        self.payloads.extend(kept.payloads)
        return kept

    async def data(self, data: bytes) -> PayloadRef | None:
        """Keeps bytes as a payload; None for no bytes."""
        if not data:
            return None
        sealed = await self.context.log.seal(self.subject, data)
        self.payloads.append(sealed)
        return sealed.ref
