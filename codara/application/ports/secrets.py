"""Secrets: credentials, and digests that reveal nothing."""

from typing import Protocol


class Vault(Protocol):
    """Keeps credentials, sealed under the master key."""

    async def store(self, account_id: str, credential: bytes) -> str:
        """Keeps the credential and returns its fingerprint."""

    def fingerprint(self, credential: bytes) -> str:
        """Returns a text that tells two credentials apart and reveals neither."""

    async def credential(self, account_id: str) -> bytes:
        """Returns the account's credential; NotFound if it has none here."""

    async def remove(self, account_id: str) -> None:
        """Forgets the account's credential."""


class Keys(Protocol):
    """Makes digests (HMAC) under a key of this log, so that stream names reveal nothing."""

    def digest(self, purpose: str, *parts: str) -> str:
        """Returns 64 hexadecimal digits, always the same for the same parts."""

    def secret(self, subject: str, purpose: str) -> bytes:
        """Returns 32 bytes of the subject's own, always the same until its keys are destroyed."""

    async def ensure(self, subject: str) -> None:
        """Makes the subject's data key, so that its first event need not wait for the disk."""
