"""Hearing: what of a request the agent has not heard yet, in words and pictures."""

from collections.abc import Iterable, Sequence
from functools import partial

import attrs

from codara.application.ports.agents import Image
from codara.application.ports.workspaces import Upload
from codara.application.turns.commands import Message, RunTurn
from codara.application.turns.context import Context
from codara.application.turns.recalling import Recalled
from codara.application.turns.seat import Seat
from codara.domain import history, images, uploads
from codara.domain.conversation import Offered
from codara.errors import InvalidRequest
from codara.events.thread import Thread
from codara.offload import PIECE, by_size

_PICTURE = "[image]"
_USER, _ASSISTANT = "user", "assistant"


@attrs.frozen(kw_only=True)
class Prompt:
    """What the agent is to hear, and what its thread has heard then."""

    prompt: str
    question: str
    """What the user says in this turn, without what was said before."""
    fresh_prompt: str
    """The same, should the thread be lost: all that the client has told of the conversation."""
    images: tuple[Image, ...]
    fresh_images: tuple[Image, ...]
    """Those of the whole conversation, which belong to `fresh_prompt`."""
    instructions: str
    after: Thread
    fresh: Thread
    """What a fresh thread has heard after `fresh_prompt`."""


async def prompt_apart(
    context: Context,
    command: RunTurn,
    seat: Seat,
    *,
    offered: Offered,
    recalled: Recalled,
    turn_id: str,
) -> Prompt:
    """Words the prompt as `prompt_of` does; a long one in a thread."""
    told = partial(
        prompt_of, context, command, seat, offered=offered, recalled=recalled, turn_id=turn_id
    )
    size = sum(len(each.text) + PIECE for each in (*command.messages, *recalled.messages))
    return await by_size(told, size=size)


def prompt_of(
    context: Context,
    command: RunTurn,
    seat: Seat,
    *,
    offered: Offered,
    recalled: Recalled,
    turn_id: str,
) -> Prompt:
    """Puts what the seat's thread has not heard into words.

    InvalidRequest where that makes more pictures than a turn may show.
    """
    messages = command.messages
    new = _unheard(messages, seat, offered)
    question = _told(_newest(messages))
    missed = _without_open(recalled.messages, question)
    prompt = _told([*missed, *new])
    whole = history.with_notes(_told([*missed, *messages]), recalled.changes)
    note = history.CUT if seat.unheard.cut else ""
    uploaded = _uploaded(command.uploads) if context.agents.takes_images(command.provider) else ()
    pictures, fresh_pictures = _pictures(new) + uploaded, _pictures(messages) + uploaded
    _refuse_too_many(fresh_pictures)
    point = seat.thread.point if seat.unheard.again else seat.after
    return Prompt(
        prompt=_with_uploads(
            history.with_notes(prompt, note, recalled.changes), command.uploads, turn_id
        ),
        question=question,
        fresh_prompt=_with_uploads(whole, command.uploads, turn_id),
        images=pictures,
        fresh_images=fresh_pictures,
        instructions=history.instructions((each.role, each.text) for each in messages),
        after=attrs.evolve(seat.thread, point=point, mark=None),
        fresh=Thread(point=seat.after if recalled.messages else offered.points[-1]),
    )


def _without_open(missed: Sequence[Message], question: str) -> Sequence[Message]:
    """The messages without a last question that had no answer, if it is asked once more."""
    if missed and missed[-1] == Message(_USER, question):
        return missed[:-1]
    return missed


def _newest(messages: Sequence[Message]) -> Sequence[Message]:
    """The messages behind the last answer."""
    answers = [at for at, each in enumerate(messages, 1) if each.role == _ASSISTANT]
    return messages[answers[-1] :] if answers else messages


def _unheard(messages: Sequence[Message], seat: Seat, offered: Offered) -> Sequence[Message]:
    """The messages behind the entries that the thread has heard."""
    place = seat.unheard.place
    return messages[offered.entries[place - 1].at + 1 :] if place else messages


def _told(messages: Sequence[Message]) -> str:
    """The texts; a word stands for each picture, where nobody says anything beside it."""
    alone = all(each.role == _USER or not each.text.strip() for each in messages)
    show = _text if alone and any(each.text.strip() for each in messages) else _shown
    return history.told([(each.role, show(each)) for each in messages])


def _text(message: Message) -> str:
    return message.text


def _shown(message: Message) -> str:
    text = message.text if message.text.strip() else ""
    return "\n".join(filter(None, (text, *(_PICTURE for _ in message.images))))


def _with_uploads(prompt: str, files: Sequence[Upload], turn_id: str) -> str:
    if not files:
        return prompt
    names = [(each.name, each.sent or each.name) for each in files]
    return f"{prompt}\n\n{uploads.told(turn_id, names)}"


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
