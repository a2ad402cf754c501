"""Facts of a name: a value that may exist once."""

from typing import ClassVar

import attrs

from codara.events.base import Event


@attrs.frozen(kw_only=True)
class NameClaimed(Event):
    """A value that may exist once belongs to `owner`: an e-mail address, a label, a credential."""

    name: ClassVar[str] = "name.claimed"
    kind: str
    owner: str


@attrs.frozen(kw_only=True)
class NameFreed(Event):
    name: ClassVar[str] = "name.freed"
    owner: str
