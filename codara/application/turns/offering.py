"""Offering: the transcript that a request holds, as digests under its user's secret."""

import hashlib
from functools import partial

import attrs

from codara.application.turns.commands import Message, RunTurn
from codara.application.turns.context import Context
from codara.domain import history, transcript
from codara.domain.conversation import Offered
from codara.offload import PIECE, by_size

_PURPOSE = "transcript"
_DIGEST_BYTES = 16


def digest_of(context: Context, user_id: str) -> transcript.DigestOf:
    """Returns the digest by which this user's transcripts are told apart: 32 hexadecimal digits."""
    return partial(_digest, context.keys.secret(user_id, _PURPOSE))


async def offer(context: Context, command: RunTurn) -> Offered:
    """Returns what the request holds; a long one is digested in a thread."""
    digest = digest_of(context, command.caller.user_id)
    size = sum(len(message.text) + PIECE for message in command.messages)
    size += sum(len(image.data) for message in command.messages for image in message.images)
    return await by_size(partial(_offered, command, digest), size=size)


def _offered(command: RunTurn, digest: transcript.DigestOf) -> Offered:
    told = [(message.role, message.text) for message in command.messages]
    entries = tuple(
        attrs.evolve(entry, pictures=_pictures(command.messages[entry.at]))
        if command.messages[entry.at].images
        else entry
        for entry in transcript.entries_of(told)
    )
    system = transcript.normal(history.instructions(told))
    return Offered.of(
        entries,
        transcript.points_of(entries, digest),
        system=digest(f"system\0{system}") if system else "",
        chat=digest(f"chat\0{command.chat}") if command.chat else "",
    )


def _pictures(message: Message) -> str:
    return "".join(hashlib.sha256(image.data).hexdigest() for image in message.images)


def _digest(key: bytes, text: str) -> str:
    """BLAKE2b (RFC 7693) with a key, cut to 128 bits."""
    data = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES, key=key).hexdigest()
