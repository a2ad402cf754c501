"""Payloads on their way into the log with the end of a turn."""

import attrs

from codara.application.turns import texts
from codara.application.turns.means import Means
from codara.events.base import PayloadRef
from codara.events.store.payloads import SealedPayload


@attrs.define(kw_only=True)
class Parcel:
    """Payloads that are appended with the end."""

    means: Means
    subject: str
    payloads: list[SealedPayload] = attrs.field(factory=list)

    async def text(self, text: str) -> texts.Text:
        """Keeps a text, as a payload if it is long."""
        kept = await texts.kept(self.means.log, self.subject, text)
        self.payloads.extend(kept.payloads)
        return kept

    async def data(self, data: bytes) -> PayloadRef | None:
        """Keeps bytes as a payload; None if there are none."""
        if not data:
            return None
        sealed = await self.means.log.seal(self.subject, data)
        self.payloads.append(sealed)
        return sealed.ref
