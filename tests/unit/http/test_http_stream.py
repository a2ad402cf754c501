"""A turn through the door, as a stream."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, cast

import aiohttp
import attrs
import openai
import pytest
from http_with_fakes import Door, a_request, opened, services
from openai import AsyncOpenAI

from codara.application.ports.frames import (
    FileHint,
    Frame,
    ReasoningDelta,
    RetryNotice,
    TextDelta,
    ToolFinished,
    ToolStarted,
    Warned,
)
from codara.errors import AgentFailed, SessionBusy
from codara.http.openai import stream
from tests.fakes.turns import RESULT, FakeTurns, ScriptedTurn
from tests.fakes.users import KEY


def bundle(turn: ScriptedTurn) -> Any:
    return services(turns=FakeTurns(turn=turn))


async def streamed(door: Door, **more: Any) -> list[str]:
    """All blocks of a stream, without their ends."""
    answer = await door.chat(a_request(stream=True, **more))
    assert answer.status == 200
    return (await answer.text()).removesuffix("\n\n").split("\n\n")


def events(blocks: list[str]) -> list[dict[str, Any]]:
    data = [block.removeprefix("data: ") for block in blocks if block.startswith("data: {")]
    return [json.loads(each) for each in data]


async def test_the_bytes_of_a_diff_that_is_not_utf_8_are_in_the_stream_as_well() -> None:
    result = attrs.evolve(RESULT, diff_bytes=b"+caf\xe9\n", text_replaced=True)
    async with opened(bundle(ScriptedTurn(outcome=result))) as door:
        told = events(await streamed(door))
    (ours,) = [each for each in told if "diff" in each]
    assert (ours["diff_b64"], ours["codara"]["text_replaced"]) == ("K2NhZukK", True)


async def test_a_stream_tells_the_text_then_the_end_then_our_fields() -> None:
    async with opened(bundle(ScriptedTurn())) as door:
        blocks = await streamed(door)
    assert blocks[0] == ": trn_1 has started"
    assert blocks[-1] == "data: [DONE]"
    chunks = events(blocks)
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == [
        {"role": "assistant", "content": ""},
        {"content": "Hello "},
        {"content": "world"},
        {},
        {},
    ]
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert reasons == [None, None, None, "stop", None]
    assert chunks[-1]["diff"] == RESULT.diff
    assert chunks[-1]["codara"]["position"] == 42
    assert all("usage" not in chunk for chunk in chunks)


@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_an_answer_that_was_cut_is_no_stop(reason: str) -> None:
    turn = ScriptedTurn(outcome=attrs.evolve(RESULT, finish_reason=reason))
    async with opened(bundle(turn)) as door:
        chunks = events(await streamed(door))
        whole = await (await door.chat()).json()
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert [each for each in reasons if each] == [reason]
    assert whole["choices"][0]["finish_reason"] == reason


async def test_all_chunks_are_pieces_of_one_answer() -> None:
    async with opened(bundle(ScriptedTurn())) as door:
        chunks = events(await streamed(door, stream_options={"include_usage": True}))
    heads = {(chunk["id"], chunk["object"], chunk["created"], chunk["model"]) for chunk in chunks}
    assert heads == {("chatcmpl-trn_1", "chat.completion.chunk", 1777896000, "codex/gpt-5-codex")}


async def test_usage_comes_last_and_only_when_asked_for() -> None:
    async with opened(bundle(ScriptedTurn())) as door:
        chunks = events(await streamed(door, stream_options={"include_usage": True}))
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == 5
    assert all(chunk["usage"] is None for chunk in chunks[:-1])


async def test_the_headers_of_a_stream_tell_proxies_to_keep_off() -> None:
    async with opened(bundle(ScriptedTurn())) as door:
        answer = await door.chat(a_request(stream=True), **{"X-Request-Id": "mine"})
        headers = answer.headers
    assert headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert (headers["Cache-Control"], headers["X-Accel-Buffering"]) == ("no-cache", "no")
    assert (headers["X-Codara-Session"], headers["X-Codara-Task"]) == ("ses_1", "trn_1")
    assert (headers["X-Codara-Position"], headers["X-Request-Id"]) == ("40", "mine")
    assert headers["traceparent"].startswith("00-")


async def test_only_text_reaches_an_openai_client() -> None:
    script = [ReasoningDelta("hm"), ToolStarted("t", "shell", "ls"), TextDelta("Hello world")]
    async with opened(bundle(ScriptedTurn(script=script))) as door:
        blocks = await streamed(door)
    assert "tool_calls" not in "".join(blocks)
    assert len(events(blocks)) == 4


async def test_thoughts_are_told_to_those_who_ask() -> None:
    script = [ReasoningDelta("hm"), ReasoningDelta(""), TextDelta("Hello world")]
    async with opened(bundle(ScriptedTurn(script=script))) as door:
        chunks = events(await streamed(door, codara_reasoning=True))
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[1:3] == [{"reasoning_content": "hm"}, {"content": "Hello world"}]


async def test_activity_is_told_to_those_who_ask_in_valid_chunks() -> None:
    script = [
        ToolStarted("t", "shell", "ls"),
        FileHint(("a.txt",)),
        ToolFinished("t", ok=True),
        RetryNotice("busy"),
        Warned("odd"),
        TextDelta("Hello world"),
    ]
    async with opened(bundle(ScriptedTurn(script=script))) as door:
        blocks = await streamed(door, codara_events=True)
    told = [chunk for chunk in events(blocks) if "codara_event" in chunk]
    assert [chunk["codara_event"] for chunk in told] == [
        {"type": "tool_started", "tool_id": "t", "tool": "shell", "title": "ls"},
        {"type": "files_changed", "paths": ["a.txt"]},
        {"type": "tool_finished", "tool_id": "t", "ok": True},
        {"type": "retry"},
    ]
    empty = [{"index": 0, "delta": {}, "finish_reason": None}]
    assert all(chunk["choices"] == empty for chunk in told)
    assert not any(block.startswith("event:") for block in blocks)


async def test_a_retry_of_the_agent_is_a_comment_for_everyone() -> None:
    script = [RetryNotice("401 at http://127.0.0.1:8377\n\ndata: {}"), TextDelta("Hello world")]
    async with opened(bundle(ScriptedTurn(script=script))) as door:
        blocks = await streamed(door, codara_events=True)
    assert ": retrying" in blocks
    assert "127.0.0.1" not in "".join(blocks), "why it tries again is for operators"
    assert len(events(blocks)) == 5


async def test_the_official_client_reads_a_stream_with_thoughts_and_activity() -> None:
    script = [ReasoningDelta("hm"), ToolStarted("t", "shell", "ls"), TextDelta("Hello world")]
    async with opened(bundle(ScriptedTurn(script=script))) as door:
        client = AsyncOpenAI(base_url=f"{door.url}/v1", api_key=KEY, max_retries=0)
        stream = await client.chat.completions.create(
            model="codex/gpt-5-codex",
            messages=[{"role": "user", "content": "Hi"}],
            stream=True,
            extra_body={"codara_reasoning": True, "codara_events": True},
        )
        chunks = [chunk async for chunk in stream]
        await client.close()
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "Hello world"
    assert all(not c.choices[0].delta.tool_calls for c in chunks)


async def test_the_first_text_arrives_while_the_turn_still_runs() -> None:
    turn = ScriptedTurn(hold=True)
    async with opened(bundle(turn)) as door:
        answer = await door.chat(a_request(stream=True))
        await turn.waiting.wait()
        seen = await read_until(answer, b"world")
        assert b'finish_reason":"stop' not in seen
        turn.released.set()
        assert (await answer.read()).endswith(b"data: [DONE]\n\n")


async def test_a_replayed_stream_is_one_piece_and_the_usual_end() -> None:
    async with opened(bundle(ScriptedTurn(replayed=True))) as door:
        answer = await door.chat(a_request(stream=True))
        chunks = events((await answer.text()).split("\n\n"))
    assert answer.headers["Idempotency-Replayed"] == "true"
    assert [chunk["choices"][0]["delta"].get("content") for chunk in chunks] == [
        "",
        "Hello world",
        None,
        None,
    ]


async def test_an_answer_that_never_came_as_deltas_comes_at_the_end() -> None:
    async with opened(bundle(ScriptedTurn(script=()))) as door:
        chunks = events(await streamed(door))
    assert chunks[1]["choices"][0]["delta"] == {"content": "Hello world"}


async def test_a_refusal_before_the_start_is_a_plain_error() -> None:
    turn = ScriptedTurn(refused=SessionBusy("Another turn of this session runs."))
    async with opened(bundle(turn)) as door:
        answer = await door.chat(a_request(stream=True))
        assert (answer.status, answer.content_type) == (409, "application/json")


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (AgentFailed("It crashed.", cause="crashed"), "agent_failed"),
        (RuntimeError("a secret detail"), "internal"),
        (ConnectionResetError("of the agent, not of the client"), "internal"),
    ],
)
async def test_a_turn_that_fails_later_ends_with_one_error_frame(
    failure: Exception, code: str
) -> None:
    async with opened(bundle(ScriptedTurn(outcome=failure))) as door:
        blocks = await streamed(door)
    last = events(blocks)[-1]
    assert last["error"]["code"] == code
    assert "secret" not in last["error"]["message"]
    assert "[DONE]" not in "".join(blocks)
    assert '"finish_reason":"stop"' not in "".join(blocks)


async def test_comments_come_while_the_agent_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "KEEP_ALIVE_SECONDS", 0.01)
    turn = ScriptedTurn(script=(), hold=True)
    async with opened(bundle(turn)) as door:
        answer = await door.chat(a_request(stream=True))
        await read_until(answer, b": keep-alive\n\n: keep-alive\n\n")
        turn.released.set()
        assert (await answer.read()).endswith(b"data: [DONE]\n\n")


class Slow:
    """A clock that only sleeping moves, and an answer that notes what is written to it and when."""

    def __init__(self) -> None:
        self.now = 0.0
        self.written: list[tuple[float, bytes]] = []
        self.plans: list[tuple[float, Callable[[], Awaitable[None]]]] = []

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        while self.plans and self.plans[0][0] <= until:
            self.now, plan = self.plans.pop(0)
            await plan()
        self.now = until

    async def write(self, data: bytes) -> None:
        self.written.append((self.now, data))

    write_eof = write


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    made = Slow()
    monkeypatch.setattr(stream, "time", made)
    monkeypatch.setattr(asyncio, "sleep", made.sleep)
    return made


async def test_no_silence_is_longer_than_the_interval(slow: Slow) -> None:
    events = stream.EventStream(cast("Any", None), cast("Any", slow))

    left = asyncio.Event()

    async def leave() -> None:
        left.set()
        raise asyncio.CancelledError

    slow.plans = [(0.5, partial(events.send, {"a": 1})), (40.0, leave)]
    async with events.kept_alive():
        await left.wait()
    assert [at for at, _ in slow.written] == [0.5, 8.5, 16.5, 24.5, 32.5]


@pytest.mark.parametrize("last", [False, True])
async def test_no_comment_comes_in_the_middle_of_an_event(
    slow: Slow, monkeypatch: pytest.MonkeyPatch, last: bool
) -> None:
    events = stream.EventStream(cast("Any", None), cast("Any", slow))
    write = slow.write

    async def writing_takes_long(data: bytes) -> None:
        await write(data)
        slow.now += 2 * stream.KEEP_ALIVE_SECONDS
        for _ in range(5):
            meanwhile = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(meanwhile.set_result, None)
            await meanwhile

    monkeypatch.setattr(slow, "write", writing_takes_long)
    event = {"text": "x" * 300_000}
    async with events.kept_alive():
        await (events.end(event, done=True) if last else events.send(event))
    whole = b'data: {"text":"' + b"x" * 300_000 + b'"}\n\n'
    written = b"".join(data for _, data in slow.written)
    assert written == whole + b"data: [DONE]\n\n" if last else whole in written


async def test_what_is_long_is_written_piece_by_piece(slow: Slow) -> None:
    events = stream.EventStream(cast("Any", None), cast("Any", slow))
    await events.send({"text": "x" * 200_000})
    await events.end({"text": "y" * 200_000}, done=True)
    sizes = [len(data) for _, data in slow.written]
    assert max(sizes) <= stream.PIECE_BYTES
    assert b"".join(data for _, data in slow.written).endswith(b'y"}\n\ndata: [DONE]\n\n')


async def test_a_client_that_leaves_a_silent_stream_is_noticed_at_once() -> None:
    turn = ScriptedTurn(hold=True)
    async with opened(bundle(turn)) as door:
        answer = await door.chat(a_request(stream=True))
        await turn.waiting.wait()
        answer.close()
        await asyncio.wait_for(turn.left.wait(), 5)
    assert turn.left_by is not None


async def test_a_client_that_stops_reading_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "STUCK_SECONDS", 0.05)

    async def endless(_: ScriptedTurn) -> AsyncIterator[Frame]:
        while True:
            yield TextDelta("x" * 100_000)

    turn = ScriptedTurn(script=endless)
    async with opened(bundle(turn)) as door:
        answer = await door.chat(a_request(stream=True))
        await asyncio.wait_for(turn.left.wait(), 10)
        answer.close()
    assert turn.left_by in (stream.ClientGone, asyncio.CancelledError)


async def test_a_connection_serves_another_request_after_a_stream() -> None:
    async with opened(bundle(ScriptedTurn())) as door:
        await streamed(door)
        assert await streamed(door)


async def test_the_official_client_reads_the_stream_to_its_end() -> None:
    async with opened(bundle(ScriptedTurn())) as door, official(door.url) as client:
        chunks = [chunk async for chunk in await asked(client, include_usage=True)]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "Hello world"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 15
    ours = chunks[-2].model_extra or {}
    assert ours["modified_files"] == ["a\\xff.txt", "b.txt"]
    assert ours["codara"]["turn_id"] == "trn_1"


async def test_the_official_client_raises_when_a_stream_fails() -> None:
    turn = ScriptedTurn(outcome=AgentFailed("It crashed.", cause="crashed"))
    seen = []
    async with opened(bundle(turn)) as door, official(door.url) as client:
        with pytest.raises(openai.APIError, match="It crashed") as raised:
            async for chunk in await asked(client):
                seen.append(chunk)
    assert raised.value.code == "agent_failed"
    assert seen[2].choices[0].delta.content == "world"


async def test_the_official_stream_helper_survives_our_chunks() -> None:
    async with (
        opened(bundle(ScriptedTurn())) as door,
        official(door.url) as client,
        client.chat.completions.stream(
            model="codex/gpt-5-codex", messages=[{"role": "user", "content": "Hi"}]
        ) as helper,
    ):
        final = await helper.get_final_completion()
    assert final.choices[0].message.content == "Hello world"
    assert final.choices[0].finish_reason == "stop"


async def test_a_changed_result_is_told_as_it_is() -> None:
    turn = ScriptedTurn(outcome=attrs.evolve(RESULT, dirty=True, partial=("too many files",)))
    async with opened(bundle(turn)) as door:
        last = events(await streamed(door))[-1]
    assert (last["dirty"], last["codara"]["partial"]) == (True, ["too many files"])


def official(url: str) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=10)


async def asked(client: AsyncOpenAI, *, include_usage: bool = False) -> Any:
    return await client.chat.completions.create(
        model="codex/gpt-5-codex",
        messages=[{"role": "user", "content": "Hi"}],
        stream=True,
        stream_options={"include_usage": include_usage},
    )


async def read_until(answer: aiohttp.ClientResponse, wanted: bytes) -> bytes:
    seen = b""
    while wanted not in seen:
        piece = await asyncio.wait_for(answer.content.readany(), 5)
        assert piece, "the stream ended early"
        seen += piece
    return seen
