"""Sealing: AES-256-GCM under a subject's data key, bound to the place the bytes belong to."""

import binascii

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from codara.errors import LogDamaged
from codara.ids import RandomPool

NONCE_BYTES = 12

_nonce = RandomPool(NONCE_BYTES)


def associated(log_id: str, owner_id: str, kind: str, key_id: str) -> bytes:
    """Returns what sealed bytes are bound to: moved to another place, they cannot be opened."""
    return f"{log_id}\0{owner_id}\0{kind}\0{key_id}".encode()


def seal(key: AESGCM, plain: bytes, bound_to: bytes) -> bytes:
    """Returns a fresh nonce, then the ciphertext with its tag."""
    nonce = _nonce()
    return nonce + key.encrypt(nonce, plain, bound_to)


def unseal(key: AESGCM, box: bytes, bound_to: bytes) -> bytes:
    """Returns the plain bytes; LogDamaged if a bit of the box or its place has changed."""
    try:
        return key.decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], bound_to)
    except (InvalidTag, ValueError) as error:
        raise LogDamaged(
            "a sealed value does not open under its key: it was altered or moved; "
            "restore the log from a backup"
        ) from error


def to_text(box: bytes) -> str:
    """Base64, as it stands in a stored event."""
    return binascii.b2a_base64(box, newline=False).decode()


def from_text(text: str) -> bytes:
    """Returns what `to_text` wrote; LogDamaged if it is something else."""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as error:
        raise LogDamaged("a sealed value is no base64: it was altered") from error
