"""Small stand-ins for what the log and the services are given: keys, a clock, ids."""

import hashlib
import hmac
from collections import Counter
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.given import NOW


class FakeKeyRing:
    """A `KeyRing` (and `Keys`) in memory; the cipher is the real one."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}
        self._keys: dict[str, AESGCM] = {}
        self.opened = 0
        """How often a key was asked for to open something."""

    def sealing_key(self, subject: str) -> tuple[str, AESGCM]:
        if subject not in self._ids:
            key_id = f"dk_{len(self._keys) + 1}"
            self._ids[subject] = key_id
            self._keys[key_id] = AESGCM(hashlib.sha256(key_id.encode()).digest())
        key_id = self._ids[subject]
        return key_id, self._keys[key_id]

    def opening_key(self, key_id: str) -> AESGCM | None:
        self.opened += 1
        return self._keys.get(key_id)

    def digest(self, purpose: str, *parts: str) -> str:
        text = "\0".join((purpose, *parts))
        return hmac.digest(b"fake", text.encode(errors="surrogatepass"), "sha256").hex()

    async def ensure(self, subject: str) -> None:
        self.sealing_key(subject)

    def forget(self, subject: str) -> None:
        """Destroys the subject's key."""
        self._keys[self._ids.pop(subject)] = None  # type: ignore[assignment]


class FixedClock:
    """Stands still until it is moved."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        """`move(minutes=5)`: the arguments of `timedelta`."""
        self.now += timedelta(**by)


class CountingIds:
    """`new_id` that counts per prefix: ``trn_1``, ``trn_2``, ..."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def __call__(self, prefix: str) -> str:
        self._counts[prefix] += 1
        return f"{prefix}_{self._counts[prefix]}"
