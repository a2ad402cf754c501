"""A ring of keys in memory."""

import hashlib
import hmac
from collections import Counter

from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class FakeKeyRing:
    """A `KeyRing` (and `Keys`) in memory; the cipher is the real one.

    A key follows from its id, so that what one ring sealed another one opens.
    """

    def __init__(self) -> None:
        self._forgotten: Counter[str] = Counter()
        self._destroyed: set[str] = set()
        self.opened = 0
        """How often a key was asked for to open something."""

    def sealing_key(self, subject: str) -> tuple[str, AESGCM]:
        key_id = f"dk_{subject}_{self._forgotten[subject] + 1}"
        return key_id, _key(key_id)

    def opening_key(self, key_id: str) -> AESGCM | None:
        self.opened += 1
        return None if key_id in self._destroyed else _key(key_id)

    def digest(self, purpose: str, *parts: str) -> str:
        text = "\0".join((purpose, *parts))
        return hmac.digest(b"fake", text.encode(errors="surrogatepass"), "sha256").hex()

    def secret(self, subject: str, purpose: str) -> bytes:
        text = f"{purpose}\0{subject}\0{self._forgotten[subject]}"
        return hashlib.sha256(text.encode()).digest()

    async def ensure(self, subject: str) -> None:
        self.sealing_key(subject)

    def forget(self, subject: str) -> None:
        """Destroys the subject's key; another one is made when it is next needed."""
        self._destroyed.add(self.sealing_key(subject)[0])
        self._forgotten[subject] += 1


def _key(key_id: str) -> AESGCM:
    return AESGCM(hashlib.sha256(key_id.encode()).digest())
