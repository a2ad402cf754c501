"""What the log asks of the keeper of the keys."""

from typing import Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class KeyRing(Protocol):
    """Data keys by the subject they protect.

    All calls may be made from any thread, the event loop's included.
    """

    def sealing_key(self, subject: str) -> tuple[str, AESGCM]:
        """Returns the id of the subject's newest key, and the key, once it is durable.

        The first call makes a key.
        """

    def opening_key(self, key_id: str) -> AESGCM | None:
        """Returns the key of that id, or None once it was destroyed."""

    def digest(self, purpose: str, *parts: str) -> str:
        """HMAC of the parts: 64 hexadecimal digits, the same for the same parts."""
