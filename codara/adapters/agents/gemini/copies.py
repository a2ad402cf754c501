"""Copies of gemini's sessions as they were at an earlier point.

Its record of a session is a log that only grows, so its beginning is the session as it was then. A
line is a message, one that replaces the message of the same id, or a change of what is known of the
session; so the end of a turn is where its last message was written for the last time.
"""

import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import attrs

from codara.adapters.agents.gemini.chats import aged, chat_folders, record_of
from codara.adapters.agents.home.inside import FILE
from codara.adapters.agents.session.lines import LINE_LIMIT, Message, message_of
from codara.application.ports.agents import Fork

_TAIL = 256 * 1024
_SPEAKERS = ("user", "gemini")


@attrs.frozen(kw_only=True)
class Copies:
    """How the sessions of a home are copied."""

    make: Callable[[Fork], Awaitable[str | None]]
    """Makes a copy; None if the session is lost, or its point."""
    mark: Callable[[str], Awaitable[str | None]]
    """See `mark_of`."""


@attrs.frozen
class Copied:
    """A record to be written: where in the home, and what it holds."""

    path: str
    data: bytes


def mark_of(home: Path, session_id: str) -> str | None:
    """Returns the id of the session's last message; None if the model did not write it. Blocks."""
    for _, folder in chat_folders(home):
        name = record_of(folder, session_id)
        if name is not None:
            return next(_said_last(folder, name), None)
    return None


def copied(home: Path, fork: Fork, copy_id: str) -> Copied | None:
    """Returns the record of a session up to a message and with it, under another id.

    None where there is no such session or message in it, or the name is taken. Blocks.
    """
    for project, folder in chat_folders(home):
        name = record_of(folder, fork.backend_id)
        if name is not None:
            data = _up_to(_read(folder, name, 0), fork.mark)
            taken = aged(copy_id) in os.listdir(folder)  # noqa: PTH208 # a path could lead elsewhere
            if not data or taken:
                return None
            named = f".gemini/tmp/{project}/chats/{aged(copy_id)}"
            return Copied(named, data.replace(_identity(fork.backend_id), _identity(copy_id)))
    return None


def _said_last(folder: int, name: str) -> Iterator[str]:
    """The last message's id, if the model said it."""
    length = _TAIL
    while length <= LINE_LIMIT:
        data = _read(folder, name, length)
        for line in reversed(data.split(b"\n")):
            record = message_of(line) or {}
            if "$rewindTo" in record:
                return
            if record.get("type") in _SPEAKERS and "id" in record:
                if record["type"] == "gemini":
                    yield str(record["id"])
                return
        if len(data) < length:
            return
        length *= 4


def _up_to(data: bytes, mark: str) -> bytes:
    """Returns the lines up to and with the last one of this message; empty if it is missing."""
    end, at = 0, 0
    for line in data.splitlines(keepends=True):
        at += len(line)
        if mark.encode() in line and _is(message_of(line) or {}, mark):
            end = at
    return data[:end]


def _is(record: Message, mark: str) -> bool:
    return record.get("id") == mark and record.get("type") == "gemini"


def _identity(session_id: str) -> bytes:
    """How a record says whose it is; in the text of a message the quotes would be escaped."""
    return f'"sessionId":"{session_id}"'.encode()


def _read(folder: int, name: str, tail: int) -> bytes:
    """A record, or only its last `tail` bytes."""
    with os.fdopen(os.open(name, FILE, dir_fd=folder), "rb") as stream:
        if tail:
            stream.seek(-min(tail, os.fstat(stream.fileno()).st_size), os.SEEK_END)
        return stream.read()
