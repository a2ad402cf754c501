"""codex's own record of a thread, read for what it says of tokens.

It is where codex takes a thread's count from when it goes on with it, and it knows what the lines
of a turn that was stopped in the middle do not tell.
"""

import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs

from codara.adapters.agents.codex.reading import exec_tokens
from codara.adapters.agents.home.inside import FILE, opened
from codara.adapters.agents.session.counts import TokenCounts
from codara.adapters.agents.session.lines import LINE_LIMIT, message_of

_TAIL = 256 * 1024
_HEAD = 1024 * 1024
_DAYS = 3
"""Folders above a rollout: its year, its month, its day."""
_COPIES = 16
"""How many copies of copies are looked through in which nothing was answered yet."""
_MOST = 1 << 48
_NONSENSE = (OSError, ValueError, TypeError, AttributeError, LookupError)
_ABOUT_TOKENS = (b'"token_count"', b'"token_usage_record"')


@attrs.frozen(kw_only=True)
class Noted:
    """What is written down last of a thread.

    `total` is the count with which codex goes on, `turn_id` the turn that was answered last, and
    `turn` what that one took; `report` says so in codex's words. A copy of another thread in which
    nothing was answered yet is as that one was at the point of the copy.
    """

    total: TokenCounts = attrs.field(factory=TokenCounts)
    turn_id: str | None = None
    turn: TokenCounts = attrs.field(factory=TokenCounts)
    report: Mapping[str, Any] = attrs.field(factory=dict)


Look = Callable[[str], Awaitable[Noted | None]]
"""See `noted`, of one home."""


def noted(home: Path, thread_id: str) -> Noted | None:
    """None where there is no record of the thread, or none that makes sense. Blocks."""
    with suppress(*_NONSENSE), opened(home, ".codex", "sessions") as sessions:
        return _of_thread(sessions, thread_id, None, _COPIES)
    return None


def _of_thread(sessions: int, thread_id: str, end: int | None, copies: int) -> Noted | None:
    """What is written down before the byte `end` of a thread's rollout."""
    for folder in _folders(sessions, _DAYS):
        for name in os.listdir(folder):  # noqa: PTH208 # a path could lead elsewhere by now
            if name.startswith("rollout-") and name.endswith(f"-{thread_id}.jsonl"):
                file = os.open(name, FILE, dir_fd=folder)
                try:
                    found = _read(file, end)
                    base = _base(file) if found == Noted() and copies else None
                finally:
                    os.close(file)
                return found if base is None else _of_thread(sessions, *base, copies - 1)
    return None


def _folders(above: int, depth: int) -> Iterator[int]:
    """The folders `depth` steps below, the latest day first."""
    if not depth:
        yield above
        return
    for name in sorted(os.listdir(above), reverse=True):
        with suppress(OSError), opened(name, above=above) as below:
            yield from _folders(below, depth - 1)


def _base(file: int) -> tuple[str, int] | None:
    """The thread of which this one is a copy, and where in its rollout it branches off."""
    first = message_of(os.pread(file, _HEAD, 0).split(b"\n", 1)[0]) or {}
    base = (first.get("payload") or {}).get("history_base")
    return (str(base["thread_id"]), int(base["end_byte_offset"])) if base else None


def _read(file: int, end: int | None) -> Noted | None:
    """Reads from the end, as far back as it takes."""
    size = os.fstat(file).st_size
    size = size if end is None else min(size, end)
    length = _TAIL
    while True:
        begin = max(0, size - length)
        lines = os.pread(file, size - begin, begin).split(b"\n")
        found = _noted(lines[1:] if begin else lines, whole=not begin)
        if found is not None or not begin or length >= LINE_LIMIT:
            return found
        length *= 4


def _noted(lines: list[bytes], *, whole: bool) -> Noted | None:
    """None where both numbers are not in these lines, unless they are all there are."""
    total: TokenCounts | None = None
    record: Mapping[str, Any] | None = None
    for line in reversed(lines):
        if not any(kind in line for kind in _ABOUT_TOKENS):
            continue
        message = message_of(line) or {}
        payload = message.get("payload") or {}
        if message.get("type") == "token_usage_record":
            record = record or payload
        elif payload.get("type") == "token_count" and payload.get("info"):
            total = total or _tokens(payload["info"]["total_token_usage"])
        if total is not None and record is not None:
            break
    else:
        if not whole:
            return None
    total = total or TokenCounts()
    if record is None:
        return Noted(total=total)
    report = record["turn_token_usage"]
    return Noted(total=total, turn_id=record["turn_id"], turn=_tokens(report), report=report)


def _tokens(found: Mapping[str, Any]) -> TokenCounts:
    """Reads the tokens; ValueError if codex cannot have counted so: agents can write here."""
    tokens = exec_tokens(found)
    if not all(0 <= count < _MOST for count in attrs.astuple(tokens)):
        raise ValueError(found)
    return tokens
