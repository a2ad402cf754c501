"""The vault: keys and credentials that only the master key opens."""

import base64
import hmac
import os
import sqlite3
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from codara.adapters.vault.keysfile import KeysFile
from codara.adapters.vault.vault import FileVault
from codara.errors import LogDamaged, MasterKeyInvalid, NotFound

MASTER = base64.b64encode(b"m" * 32).decode()
OTHER = base64.b64encode(b"o" * 32).decode()


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[FileVault]:
    vault = await FileVault.open(tmp_path, MASTER)
    yield vault
    await vault.close()


async def test_a_subject_keeps_its_key(tmp_path: Path) -> None:
    before = await FileVault.open(tmp_path, MASTER)
    key_id, key = before.sealing_key("usr_1")
    box = key.encrypt(b"n" * 12, b"secret", b"")
    assert before.sealing_key("usr_1")[0] == key_id
    assert before.sealing_key("usr_2")[0] != key_id
    await before.close()

    after = await FileVault.open(tmp_path, MASTER)
    assert after.sealing_key("usr_1")[0] == key_id
    opening = after.opening_key(key_id)
    assert opening is not None
    assert opening.decrypt(b"n" * 12, box, b"") == b"secret"
    await after.close()


async def test_a_key_is_durable_before_its_first_use(vault: FileVault, tmp_path: Path) -> None:
    key_id, _ = vault.sealing_key("usr_1")
    beside = await FileVault.open(tmp_path, MASTER)
    assert beside.opening_key(key_id) is not None
    await beside.close()


async def test_a_key_may_be_made_ahead(vault: FileVault) -> None:
    await vault.ensure("usr_1")
    key_id, _ = vault.sealing_key("usr_1")
    assert vault.opening_key(key_id) is not None
    assert ":" not in key_id


async def test_a_destroyed_key_is_gone_and_another_one_follows(
    vault: FileVault, tmp_path: Path
) -> None:
    key_id, _ = vault.sealing_key("usr_1")
    other_id, _ = vault.sealing_key("usr_2")
    assert vault.opening_key(key_id) is not None
    await vault.destroy("usr_1")
    assert vault.opening_key(key_id) is None
    assert vault.opening_key(other_id) is not None
    assert vault.sealing_key("usr_1")[0] != key_id
    assert key_id.encode() not in (tmp_path / "keys.db").read_bytes()


def test_a_digest_is_the_keyed_hash_of_its_framed_parts() -> None:
    root = os.urandom(32)
    opened = KeysFile(Path("keys.db"), sqlite3.connect(":memory:"), AESGCM(bytes(32)), root)
    vault = FileVault(opened)
    framed = b"".join(len(part).to_bytes(8) + part for part in (b"email", b"ada"))
    for _ in range(2):
        assert vault.digest("email", "ada") == hmac.digest(root, framed, "sha256").hex()


async def test_a_digest_tells_its_parts_apart_and_is_this_vaults_own(
    vault: FileVault, tmp_path: Path
) -> None:
    digest = vault.digest("email", "ada", "b")
    assert len(digest) == 64
    assert digest == vault.digest("email", "ada", "b")
    assert len({digest, vault.digest("email", "ad", "ab"), vault.digest("name", "ada", "b")}) == 3
    other = await FileVault.open(tmp_path / "other", MASTER)
    assert other.digest("email", "ada", "b") != digest
    await other.close()
    again = await FileVault.open(tmp_path, MASTER)
    assert again.digest("email", "ada", "b") == digest
    await again.close()


async def test_a_credential_is_kept_sealed(vault: FileVault, tmp_path: Path) -> None:
    fingerprint = await vault.store("acc_1", b"sk-secret")
    assert len(fingerprint) == 16
    assert int(fingerprint, 16) >= 0
    assert await vault.credential("acc_1") == b"sk-secret"
    assert await vault.store("acc_1", b"sk-other") != fingerprint
    assert await vault.store("acc_2", b"sk-secret") == fingerprint
    assert await vault.credential("acc_1") == b"sk-other"
    await vault.close()
    assert b"sk-" not in (tmp_path / "keys.db").read_bytes()


async def test_a_removed_credential_is_not_found(vault: FileVault) -> None:
    await vault.store("acc_1", b"sk-secret")
    await vault.remove("acc_1")
    await vault.remove("acc_1")
    with pytest.raises(NotFound, match="acc_1"):
        await vault.credential("acc_1")


async def test_a_first_start_makes_a_master_key_for_its_owner_only(tmp_path: Path) -> None:
    vault = await FileVault.open(tmp_path)
    await vault.store("acc_1", b"sk-secret")
    await vault.close()
    file = tmp_path / "secrets" / "master.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys.db").stat().st_mode) == 0o600
    assert [one.name for one in file.parent.iterdir()] == ["master.key"]
    again = await FileVault.open(tmp_path, file.read_text())
    assert await again.credential("acc_1") == b"sk-secret"
    await again.close()


@pytest.mark.parametrize(
    "text",
    ["", "secret", base64.b64encode(b"x" * 31).decode(), "ä" * 44, "!" + MASTER, MASTER + MASTER],
)
async def test_a_master_key_is_base64_of_32_bytes(tmp_path: Path, text: str) -> None:
    with pytest.raises(MasterKeyInvalid, match="32 bytes"):
        await FileVault.open(tmp_path, text)


async def test_another_master_key_does_not_open_the_vault(vault: FileVault, tmp_path: Path) -> None:
    with pytest.raises(MasterKeyInvalid, match="former key"):
        await FileVault.open(tmp_path, OTHER)


async def test_a_lost_master_key_is_not_replaced_by_a_new_one(tmp_path: Path) -> None:
    vault = await FileVault.open(tmp_path)
    await vault.close()
    (tmp_path / "secrets" / "master.key").unlink()
    with pytest.raises(MasterKeyInvalid, match="is missing"):
        await FileVault.open(tmp_path)
    assert not (tmp_path / "secrets" / "master.key").exists()


async def test_a_file_that_is_no_vault_is_damage(tmp_path: Path) -> None:
    (tmp_path / "keys.db").write_bytes(os.urandom(10_000))
    with pytest.raises(LogDamaged, match=r"keys\.db"):
        await FileVault.open(tmp_path, MASTER)


async def test_a_subjects_secret_stays_when_keys_join_and_goes_when_they_are_destroyed(
    tmp_path: Path,
) -> None:
    vault = await FileVault.open(tmp_path)
    secret = vault.secret("usr_1", "transcript")
    assert len(secret) == 32
    assert vault.secret("usr_1", "other") != secret != vault.secret("usr_2", "transcript")
    await vault.close()
    vault = await FileVault.open(tmp_path)
    assert vault.secret("usr_1", "transcript") == secret
    await vault.destroy("usr_1")
    assert vault.secret("usr_1", "transcript") != secret
    await vault.close()
