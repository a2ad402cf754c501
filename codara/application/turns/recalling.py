"""Recalling: what an agent is told that its client did not send, from the log and the workspace."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs

from codara.application.turns import long_text
from codara.application.turns.commands import Message
from codara.application.turns.context import Context
from codara.application.turns.seat import Seat
from codara.domain import history
from codara.domain.workspace import Workspace
from codara.errors import NotFound
from codara.events import streams
from codara.events.base import Event, Recorded
from codara.events.loss import SessionSetBack
from codara.events.session import (
    SessionExpired,
    SessionReset,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnRequested,
)
from codara.events.workspace import FileChange

logger = logging.getLogger(__name__)

_MOST_CHARACTERS = 200_000
"""What is told of the record: the newest of it."""
_LEFT_OUT = "(Earlier messages are left out.)"
_ERASED = "(This message was erased.)"


@attrs.frozen(kw_only=True)
class Recalled:
    """What stands before the client's new words: messages that its thread never heard, and a line
    on the files that changed since the thread was at work."""

    messages: tuple[Message, ...] = ()
    changes: str = ""


async def recall(context: Context, place: Workspace, seat: Seat, provider: str) -> Recalled:
    """Reads what the seat's thread has missed; nothing for one that has missed nothing."""
    messages = await _missed(context, seat, provider) if seat.recalls else ()
    changes = await _changes(context, place, seat.since) if seat.since else ""
    return Recalled(messages=messages, changes=changes)


# ------------------------------------------------------------------ files


async def _changes(context: Context, place: Workspace, tree: str) -> str:
    """One line on the files that are no longer as in that tree; "" if all are."""
    try:
        now = await context.workspaces.snapshot(place.workspace_id, Path(place.folder))
        if now.tree == tree:
            return ""
        diff = await context.workspaces.diff(place.workspace_id, tree, now.tree)
    except Exception:
        logger.exception("it cannot be told what changed in %s", place.workspace_id)
        return history.CHANGED_UNKNOWN
    if diff.truncated and not diff.files:
        return history.CHANGED_UNKNOWN
    return history.changed([_named(each) for each in diff.files])


def _named(change: FileChange) -> str:
    return f"{change.path} (a name that is not UTF-8)" if change.path_b64 else change.path


# ------------------------------------------------------------------ words


@attrs.frozen(kw_only=True)
class _Turn:
    """A turn that some thread of the session heard."""

    requested: TurnRequested
    ended: TurnCompleted | TurnFailed | TurnCancelled


async def _missed(context: Context, seat: Seat, provider: str) -> tuple[Message, ...]:
    """The questions and answers since the provider's own last turn, the oldest first."""
    recorded = await context.log.load(streams.session(seat.session_id))
    messages: list[Message] = []
    room = _MOST_CHARACTERS
    for turn in reversed(_unheard_by(provider, recorded)):
        told = await _told(context, turn)
        room -= sum(len(each.text) for each in told)
        if room < 0:
            messages.append(Message("user", _LEFT_OUT))
            break
        messages.extend(reversed(told))
    return tuple(reversed(messages))


def _unheard_by(provider: str, recorded: Iterable[Recorded]) -> list[_Turn]:
    turns: list[_Turn] = []
    asked: dict[str, TurnRequested] = {}
    for each in recorded:
        event: Event = each.event
        match event:
            case TurnRequested():
                asked[event.turn_id] = event
                turns = _before(event, turns)
            case TurnCompleted() | TurnFailed() | TurnCancelled():
                requested = asked[event.turn_id]
                if event.end.thread == requested.thread:
                    continue
                turns.append(_Turn(requested=requested, ended=event))
                if requested.provider == provider:
                    turns = []
            case SessionReset() | SessionExpired() | SessionSetBack():
                turns = []
            case _:
                pass
    return turns


def _before(event: TurnRequested, turns: list[_Turn]) -> list[_Turn]:
    """Those that a turn which branches off within its session still stands behind."""
    fork = event.fork
    if fork is None or fork.session_id != event.session_id:
        return turns
    ids = [each.requested.turn_id for each in turns]
    return turns[: ids.index(fork.turn_id) + 1] if fork.turn_id in ids else []


async def _told(context: Context, turn: _Turn) -> list[Message]:
    asked, ended = turn.requested, turn.ended
    question = asked.question or asked.prompt
    payload = asked.question_payload if asked.question else asked.prompt_payload
    said = [
        Message("user", await _text(context, question, payload)),
        Message("assistant", await _text(context, ended.answer, ended.answer_payload)),
    ]
    return [each for each in said if each.text]


async def _text(context: Context, inline: str, payload: Any) -> str:
    try:
        return await long_text.whole(context.log, inline, payload)
    except NotFound:
        return _ERASED
