"""A turn as server-sent events: chunks, comments in between, and an end that tells the truth."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web

from codara.application.ports.frames import Frame, ReasoningDelta, RetryNotice, TextDelta
from codara.application.turns.commands import TurnResult
from codara.http.errors import error_body, presentable
from codara.http.openai.activity import RETRYING, event_of
from codara.http.openai.answer import Reply
from codara.http.openai.submitting import Submission
from codara.http.requests import identity_of
from codara.http.services import HeldTurn

KEEP_ALIVE_SECONDS = 8.0
STUCK_SECONDS = 60.0
PIECE_BYTES = 64 * 1024
"""A client that reads this many bytes within `STUCK_SECONDS` is slow, but not stuck."""

_DONE = b"data: [DONE]\n\n"
"""The mark by which OpenAI's clients know that the answer is complete."""

_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}


class ClientGone(ConnectionResetError):
    """The stream has no reader any more."""


class EventStream:
    """The bytes of one answer: events, and a comment whenever there was no event for a while."""

    def __init__(self, request: web.Request, response: web.StreamResponse) -> None:
        self._request = request
        self._response = response
        self._written = time.monotonic()
        self._writing = asyncio.Lock()

    async def send(self, event: dict[str, Any]) -> None:
        """Sends one event; ClientGone if the client left, or has read nothing for a minute."""
        await self._write(_data(event))

    async def comment(self, text: str) -> None:
        """Sends a comment, which only keeps proxies from timing out."""
        await self._write(_comment(text))

    async def begin(self, comment: str, event: dict[str, Any]) -> None:
        """Sends the first comment and the first event in one piece."""
        await self._write(_comment(comment) + _data(event))

    async def end(self, *events: dict[str, Any], done: bool) -> None:
        """Sends the last events in one piece; `done` adds the mark that the answer is complete."""
        *pieces, last = _pieces(b"".join(map(_data, events)) + (_DONE if done else b""))
        async with self._writing:
            for piece in pieces:
                await self._bounded(self._response.write(piece))
            await self._bounded(self._response.write_eof(last))

    @asynccontextmanager
    async def kept_alive(self) -> AsyncIterator[None]:
        """Sends comments while the block runs, wherever the block waits."""
        beat = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)

    async def _beat(self) -> None:
        while True:
            silent = time.monotonic() - self._written
            if silent < KEEP_ALIVE_SECONDS:
                await asyncio.sleep(KEEP_ALIVE_SECONDS - silent)
            else:
                await self.comment("keep-alive")

    async def _write(self, data: bytes) -> None:
        """Writes all of the data, with nothing in between."""
        async with self._writing:
            for piece in _pieces(data):
                await self._bounded(self._response.write(piece))
                self._written = time.monotonic()

    async def _bounded(self, writing: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(STUCK_SECONDS):
                await writing
        except TimeoutError as stuck:
            self._hang_up()
            raise ClientGone("The client has stopped reading.") from stuck
        except ConnectionError as lost:
            raise ClientGone("The client has left.") from lost

    def _hang_up(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()


async def stream_turn(
    request: web.Request, handle: HeldTurn, reply: Reply, headers: dict[str, str]
) -> web.StreamResponse:
    """Answers with the stream of a turn that has started; ClientGone if the client leaves."""
    response = web.StreamResponse(headers={**_HEADERS, **headers})
    await response.prepare(request)
    events, own = EventStream(request, response), reply.of(handle.turn_id)
    await _begin(events, handle, own)
    async with events.kept_alive(), _ended(request, events) as end:
        end(_tail(own, await _deltas(events, handle, own)))
    return response


async def stream_waiting(
    request: web.Request, submission: Submission, reply: Reply
) -> web.StreamResponse:
    """Answers with comments while the turn waits for its place, then like `stream_turn`.

    A refusal is an event in the stream by then. The headers name no task, as it does not exist yet.
    """
    response = web.StreamResponse(headers=_HEADERS)
    await response.prepare(request)
    events = EventStream(request, response)
    await events.comment("waiting for a place")
    async with events.kept_alive(), _ended(request, events) as end:
        handle = await submission.handle()
        async with handle:
            await handle.started()
            own = reply.of(handle.turn_id)
            await _begin(events, handle, own)
            end(_tail(own, await _deltas(events, handle, own)))
    return response


async def _begin(events: EventStream, handle: HeldTurn, reply: Reply) -> None:
    first = reply.chunk({"role": "assistant", "content": ""})
    await events.begin(f"{handle.turn_id} has started", first)


@asynccontextmanager
async def _ended(
    request: web.Request, events: EventStream
) -> AsyncIterator[Callable[[list[dict[str, Any]]], None]]:
    """Writes the end of the stream: the events that the block gives, or the error it raises."""
    last: list[dict[str, Any]] = []
    done = True
    try:
        yield last.extend
    except ClientGone:
        raise
    except Exception as error:
        request_id = identity_of(request).request_id
        last, done = [error_body(presentable(request, error), request_id)], False
    await events.end(*last, done=done)


async def _deltas(events: EventStream, handle: HeldTurn, reply: Reply) -> TurnResult:
    """Sends the text as it comes; that of a turn that ended before, all at once."""
    silent = True
    if not handle.replayed:
        async for frame in handle.frames():
            if isinstance(frame, TextDelta) and frame.text:
                silent = False
                await events.send(reply.chunk({"content": frame.text}))
            else:
                await _beside(events, reply, frame)
    result = await handle.result()
    if silent and result.text:
        await events.send(reply.chunk({"content": result.text}))
    return result


async def _beside(events: EventStream, reply: Reply, frame: Frame) -> None:
    """Sends what is not the answer: thoughts and activity if asked for, retries as comments."""
    if isinstance(frame, RetryNotice):
        await events.comment(RETRYING)
    if isinstance(frame, ReasoningDelta) and reply.reasoning and frame.text:
        await events.send(reply.chunk({"reasoning_content": frame.text}))
    event = event_of(frame) if reply.events else None
    if event is not None:
        await events.send(reply.event_chunk(event))


def _tail(reply: Reply, result: TurnResult) -> list[dict[str, Any]]:
    """Returns what follows the text of a completed turn."""
    usage = [reply.usage_chunk(result)] if reply.include_usage else []
    return [reply.chunk({}, result.finish_reason), reply.our_chunk(result), *usage]


def _data(event: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(event) + b"\n\n"


def _pieces(data: bytes) -> list[bytes]:
    if len(data) <= PIECE_BYTES:
        return [data]
    return [data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES)]


def _comment(text: str) -> bytes:
    return f": {text}\n\n".encode()
