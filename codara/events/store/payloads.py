"""Payloads: what is too large for an event, compressed, sealed and kept beside it."""

import hashlib
import zlib

import attrs
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from codara.events.base import PayloadRef
from codara.events.store import sealing
from codara.events.store.groups import PayloadPart

SMALL_BYTES = 16 * 1024
"""A payload up to this size is compressed with a window of 8 KiB in place of 32: what that needs is
a tenth of the memory, whose pages take longer to come than the compressing."""
PART_BYTES = 256 * 1024
"""A payload up to this size, sealed, rides in the transaction of its event."""

KIND = "payload"


@attrs.frozen
class SealedPayload:
    """A payload on its way into the log; `box` is empty once it has been written."""

    ref: PayloadRef
    box: bytes = attrs.field(repr=False)


def seal_payload(
    log_id: str, payload_id: str, key_id: str, key: AESGCM, plain: bytes
) -> SealedPayload:
    """Compresses and seals: milliseconds a megabyte, for a worker thread."""
    bound_to = sealing.associated(log_id, payload_id, KIND, key_id)
    box = sealing.seal(key, _compressed(plain), bound_to)
    ref = PayloadRef(
        payload_id=payload_id,
        digest=hashlib.sha256(box).hexdigest(),
        size=len(plain),
        key_id=key_id,
    )
    return SealedPayload(ref, box)


def _compressed(plain: bytes) -> bytes:
    """In zlib's format (RFC 1950)."""
    if len(plain) > SMALL_BYTES:
        return zlib.compress(plain)
    small = zlib.compressobj(wbits=13, memLevel=5)
    return small.compress(plain) + small.flush()


def unseal_payload(log_id: str, ref: PayloadRef, key: AESGCM, box: bytes) -> bytes:
    """Returns the plain bytes of a box that fits the digest in `ref`."""
    bound_to = sealing.associated(log_id, ref.payload_id, KIND, ref.key_id)
    return zlib.decompress(sealing.unseal(key, box, bound_to))


def parts_of(payload: SealedPayload) -> list[PayloadPart]:
    """Returns the rows that hold the payload, each with its digest."""
    if len(payload.box) <= PART_BYTES:
        digest = bytes.fromhex(payload.ref.digest)
        return [PayloadPart(payload.ref.payload_id, 0, payload.box, digest)]
    starts = range(0, len(payload.box), PART_BYTES)
    return [
        PayloadPart(payload.ref.payload_id, number, box, hashlib.sha256(box).digest())
        for number, box in enumerate(payload.box[start : start + PART_BYTES] for start in starts)
    ]
