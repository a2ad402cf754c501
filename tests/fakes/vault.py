"""Vaults in memory: one that keeps what it is given, and one of a single key."""

import hashlib

from codara.errors import NotFound

SECRET = "sk-the-real-key"


class FakeVault:
    """Keeps credentials in memory; a fingerprint reveals none of them."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def store(self, account_id: str, credential: bytes) -> str:
        self.kept[account_id] = credential
        return self.fingerprint(credential)

    def fingerprint(self, credential: bytes) -> str:
        return hashlib.sha256(credential).hexdigest()[:16]

    async def credential(self, account_id: str) -> bytes:
        if account_id not in self.kept:
            raise NotFound(f"{account_id} has no credential")
        return self.kept[account_id]

    async def remove(self, account_id: str) -> None:
        self.kept.pop(account_id, None)


class OneKey:
    """A `Vault` that has the same key for every account."""

    async def store(self, account_id: str, credential: bytes) -> str:
        raise NotImplementedError

    def fingerprint(self, credential: bytes) -> str:
        raise NotImplementedError

    async def credential(self, account_id: str) -> bytes:
        return f"{SECRET}\n".encode()

    async def remove(self, account_id: str) -> None:
        raise NotImplementedError


ONE_KEY = OneKey()
