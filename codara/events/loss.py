"""Facts of a loss that was accepted: log or vault went back, and what that means for sessions."""

from typing import ClassVar

import attrs

from codara.events.base import Event
from codara.events.vocabulary import Loss


@attrs.frozen(kw_only=True)
class LogRestored(Event):
    """An operator accepted that log or vault went back; every session was set back before.

    The vault had seen the log up to `seen`; its last position was `found`. The log had noted
    `vault_noted` changes of the vault, which counted `vault_found`.
    """

    name: ClassVar[str] = "log.restored"
    gateway_id: str
    losses: tuple[Loss, ...]
    seen: int
    found: int
    vault_noted: int
    vault_found: int


@attrs.frozen(kw_only=True)
class SessionSetBack(Event):
    """The log or the vault went back: files and threads may be ahead of what it tells.

    The session is dirty, and its next turn begins a fresh thread.
    """

    name: ClassVar[str] = "session.set_back"
    session_id: str
