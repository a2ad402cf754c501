"""Hearing: what of a request the agent has not heard yet, in words and pictures."""

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from functools import partial

import attrs

from codara.application.ports.agents import Image
from codara.application.ports.workspaces import Upload
from codara.application.turns.commands import Message, RunTurn
from codara.application.turns.means import Means
from codara.domain import history, images, session, uploads
from codara.errors import InvalidRequest
from codara.events.session import Thread

_PICTURE = "[image]"


@attrs.frozen(kw_only=True)
class Heard:
    """What the agent is to hear, and what its thread has heard then."""

    kind: str
    """`new`, `resumed` or `fresh`."""
    prompt: str
    fresh_prompt: str
    """The same, should the thread be lost: all that the client has told of the conversation."""
    images: tuple[Image, ...]
    fresh_images: tuple[Image, ...]
    """Those of the whole conversation, which belong to `fresh_prompt`."""
    instructions: str
    before: Thread
    after: Thread
    fresh: Thread
    """What a fresh thread has heard after `fresh_prompt`."""
    diverged: bool


async def hear(means: Means, command: RunTurn, base: session.Session, turn_id: str) -> Heard:
    """Compares the client's history with what the agent's thread has heard.

    InvalidRequest where that makes more pictures than a turn may show.
    """
    thread = session.standing_thread(base, provider=command.provider, now=means.clock())
    messages = command.messages
    compared_by = await _compared_by(messages)
    digest_of = partial(means.keys.digest, "message")
    compared = history.compare(thread, compared_by, digest_of)
    new = [each for each in messages if each.role == "user"][-len(compared.new) :]
    whole = history.render_history([(each.role, _shown(each)) for each in messages])
    prompt = whole if compared.whole else _joined(new)
    resumes = thread.backend_id is not None and not compared.diverged
    uploaded = _uploaded(command.uploads) if means.agents.takes_images(command.provider) else ()
    pictures, fresh_pictures = _pictures(new) + uploaded, _pictures(messages) + uploaded
    _refuse_too_many(fresh_pictures)
    return Heard(
        kind="resumed" if resumes else "fresh" if base.exists else "new",
        prompt=_with_uploads(prompt, command.uploads, turn_id),
        fresh_prompt=_with_uploads(
            whole if len(messages) > 1 else prompt, command.uploads, turn_id
        ),
        images=pictures,
        fresh_images=fresh_pictures,
        instructions=history.instructions((each.role, each.text) for each in messages),
        before=Thread() if compared.diverged else thread,
        after=compared.thread,
        fresh=history.compare(Thread(), compared_by, digest_of).thread,
        diverged=compared.diverged,
    )


async def _compared_by(messages: Sequence[Message]) -> list[history.Message]:
    """Role and text; a picture counts as a part of the text, by its digest."""
    if not any(message.images for message in messages):
        return [(message.role, message.text) for message in messages]
    return await asyncio.to_thread(lambda: [_digested(message) for message in messages])


def _digested(message: Message) -> history.Message:
    digests = (hashlib.sha256(image.data).hexdigest() for image in message.images)
    return message.role, "\n".join((message.text, *(f"{_PICTURE} {each}" for each in digests)))


def _joined(messages: Iterable[Message]) -> str:
    """The texts; where there are pictures only, a word that stands for them."""
    texts = (message.text for message in messages)
    text = "\n\n".join(texts)
    return text if text.strip() else _PICTURE


def _shown(message: Message) -> str:
    return "\n".join((message.text, *(_PICTURE for _ in message.images)))


def _with_uploads(prompt: str, files: Sequence[Upload], turn_id: str) -> str:
    if not files:
        return prompt
    return f"{prompt}\n\n{uploads.told(turn_id, [each.name for each in files])}"


def _pictures(messages: Iterable[Message]) -> tuple[Image, ...]:
    return tuple(image for message in messages for image in message.images)


def _uploaded(files: Iterable[Upload]) -> tuple[Image, ...]:
    """The pictures among the files."""
    small = (each.data for each in files if len(each.data) <= images.MOST_BYTES)
    found = ((images.media_type_of(data), data) for data in small)
    return tuple(Image(kind, data) for kind, data in found if kind is not None)


def _refuse_too_many(pictures: Sequence[Image]) -> None:
    if len(pictures) > images.MOST:
        raise InvalidRequest(
            f"A request may show {images.MOST} pictures at most, uploaded ones included; "
            f"this one has {len(pictures)}.",
            param="messages",
        )
