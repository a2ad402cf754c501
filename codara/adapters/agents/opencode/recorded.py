"""Recorded turns of opencode, by either transport."""

from collections.abc import Iterable

import attrs

from codara.adapters.agents.opencode.outcome import outcome_of
from codara.adapters.agents.opencode.parse import Message, run_line, serve_event
from codara.adapters.agents.opencode.reading import OpenCodeReading, Read
from codara.adapters.agents.transcript import (
    NOTHING_KNOWN,
    Circumstances,
    Parser,
    ReadBack,
    Way,
    attempts_of,
)

_ASKS_AGAIN = frozenset({"context_full", "cut_stream"})
"""Failures after which opencode goes on in the same process, and the gateway does not."""


def read(
    lines: Iterable[bytes],
    *,
    transport: Way | None = None,
    known: Circumstances = NOTHING_KNOWN,
) -> ReadBack:
    """Returns what the lines of one turn mean; see `Transcript`. Each line shows its transport.

    The turn of a server belongs to the session of its first new message. The lines do not tell
    limits and when to come back, that the server refused a prompt, or that we gave a turn up
    because its requests failed too often. `run` tells of failed requests, and of tools that have
    not finished, on its standard error or nowhere; it completed the turn if it ended with exit
    code 0, or if that is not known, if its last step came to an end.
    """
    began = 0 if known.began is None else int(known.began.timestamp() * 1000)
    parser = Parser(
        start=OpenCodeReading(since=began), fold=_line, begins=_begins, is_over=lambda _: False
    )
    heard = attempts_of(lines, parser)
    return ReadBack(
        frames=heard.frames,
        outcome=outcome_of(_ended(heard.state, transport, known), heard.ending(known)),
        usage=heard.usage,
        missing=known.lacking(),
    )


def _line(reading: OpenCodeReading, message: Message) -> Read:
    if _is_event(message):
        return serve_event(_in_session(reading, message), message)
    return run_line(reading, message)


def _is_event(message: Message) -> bool:
    return "properties" in message or "info" in message


def _in_session(reading: OpenCodeReading, message: Message) -> OpenCodeReading:
    """What is told of the turns before belongs to no session yet."""
    about = _about(message)
    created = (about.get("time") or {}).get("created") or 0
    if reading.session_id is not None or "sessionID" not in about or created < reading.since:
        return reading
    return attrs.evolve(reading, session_id=str(about["sessionID"]), since=created)


def _about(message: Message) -> Message:
    """The message that an event or an answer is about, unless it is a prompt of an earlier turn."""
    match message:
        case {"info": dict(about)}:
            return about
        case {"type": "message.updated", "properties": {"info": dict(about)}}:
            return {} if about.get("role") == "user" and "summary" in about else about
        case _:
            return {}


def _begins(reading: OpenCodeReading, message: Message) -> bool:
    match message:
        case {"type": "step_start"}:
            failed = reading.failure is not None and reading.failure.cause not in _ASKS_AGAIN
            return failed or _is_elsewhere(reading, message)
        case {"properties": {"info": dict(about)}} if _about(message):
            asked, elsewhere = about.get("role") == "user", _is_elsewhere(reading, about)
            return (asked or elsewhere) if reading.answered else (asked and elsewhere)
        case _:
            return False


def _is_elsewhere(reading: OpenCodeReading, about: Message) -> bool:
    return reading.session_id not in (None, about.get("sessionID"))


def _ended(
    reading: OpenCodeReading, transport: Way | None, known: Circumstances
) -> OpenCodeReading:
    """A `run` says that it is done by its exit alone."""
    if transport == "persistent" or (transport is None and reading.workers):
        return reading
    if known.ending is not None:
        whole = known.ending.exit_code == 0
    else:
        whole = reading.finish is not None and not reading.stepping
    return attrs.evolve(reading, answered=reading.answered or whole)
