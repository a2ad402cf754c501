"""Recorded turns of codex, by either transport."""

from collections.abc import Iterable

import attrs

from codara.adapters.agents.codex.causes import cause_of
from codara.adapters.agents.codex.outcome import outcome_of
from codara.adapters.agents.codex.parse import Message, appserver_line, exec_line
from codara.adapters.agents.codex.reading import CodexEnded, CodexReading, Read
from codara.adapters.agents.session.counts import TokenCounts
from codara.adapters.agents.session.rpc import refused
from codara.adapters.agents.transcript import (
    NOTHING_KNOWN,
    Circumstances,
    Missing,
    Parser,
    ReadBack,
    Way,
    attempts_of,
)


def read(
    lines: Iterable[bytes],
    *,
    transport: Way | None = None,
    known: Circumstances = NOTHING_KNOWN,
) -> ReadBack:
    """Returns what the lines of one turn mean; see `Transcript`. Each line shows its transport.

    The lines do not tell whether the model refused or its message broke off (live such a turn is
    filtered, or fails), nor quota by the provider's word. They do not tell what a turn took that
    was stopped; codex writes that down. Without the count before the turn, the counts of single
    requests are added up, and nothing is known of a turn by `exec`, which tells the thread's total.
    """
    total = TokenCounts() if known.first else known.counted
    start = CodexReading(total=total if isinstance(total, TokenCounts) else None)
    heard = attempts_of(lines, Parser(start=start, fold=_line, begins=_begins, is_over=_is_over))
    outcome = outcome_of(heard.state, heard.ending(known))
    missing = known.lacking(*_missing(start, heard.state))
    return ReadBack(
        frames=heard.frames,
        outcome=outcome,
        usage=heard.usage,
        missing=missing,
        counted=heard.state.total,
    )


def _missing(start: CodexReading, end: CodexReading) -> Iterable[Missing]:
    if start.total is None:
        yield "count"
    if end.ended is None or end.ended.status != "completed":
        yield "home"


def _line(reading: CodexReading, message: Message) -> Read:
    if "type" in message:
        return exec_line(reading, message)
    if "method" in message:
        return appserver_line(_in_thread(reading, message), message)
    return _answered(reading, message), ()


def _in_thread(reading: CodexReading, message: Message) -> CodexReading:
    """The app-server's turn belongs to the thread that its first `turn/started` names."""
    if reading.thread_id is None and message["method"] == "turn/started":
        return attrs.evolve(reading, thread_id=str(message["params"]["threadId"]))
    return reading


def _answered(reading: CodexReading, message: Message) -> CodexReading:
    """Before the turn starts, an answer to us names its thread, or refuses what the turn needs."""
    match message:
        case _ if reading.turn_id is not None:
            return reading
        case {"result": {"thread": {"id": thread_id}}}:
            return attrs.evolve(reading, thread_id=str(thread_id))
        case {"error": error}:
            text = str(refused(error))
            return attrs.evolve(reading, ended=CodexEnded("failed", text, cause_of(text)))
        case _:
            return reading


def _begins(reading: CodexReading, message: Message) -> bool:
    match message:
        case {"type": "thread.started"}:
            return _is_over(reading) or reading.thread_id is not None
        case {"method": "turn/started"} | {"result": {"thread": _}}:
            return _is_over(reading) or reading.turn_id is not None
        case _:
            return False


def _is_over(reading: CodexReading) -> bool:
    return reading.ended is not None
