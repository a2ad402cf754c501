"""Secrets: credentials, and digests that give nothing away."""

from typing import Protocol


class Vault(Protocol):
    """Credentials, sealed under the master key."""

    async def store(self, account_id: str, credential: bytes) -> str:
        """Keeps it and returns its fingerprint."""

    def fingerprint(self, credential: bytes) -> str:
        """What tells two credentials apart and gives nothing away."""

    async def credential(self, account_id: str) -> bytes:
        """The secret; NotFound if there is none."""

    async def remove(self, account_id: str) -> None:
        """Forgets it."""


class Keys(Protocol):
    """HMAC under a key of this log, so that stream names give nothing away."""

    def digest(self, purpose: str, *parts: str) -> str:
        """64 hexadecimal digits; the same parts always give the same."""

    def secret(self, subject: str, purpose: str) -> bytes:
        """32 bytes of the subject's own: always the same, until its keys are destroyed."""

    async def ensure(self, subject: str) -> None:
        """Makes the subject's data key, so that nobody waits for the disk at its first event."""
