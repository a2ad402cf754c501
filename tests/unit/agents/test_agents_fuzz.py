"""Whatever valid JSON an agent writes: its turn ends with an outcome, and nothing else breaks."""

import asyncio
import copy
import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codara.adapters.agents.claude.process import ClaudeProcess
from codara.adapters.agents.claude.turn import ClaudeTurn
from codara.adapters.agents.codex.parse import appserver_line, exec_line
from codara.adapters.agents.codex.turn import CodexTurn
from codara.adapters.agents.gemini.parse import acp_line, stream_line
from codara.adapters.agents.gemini.turn import GeminiTurn
from codara.adapters.agents.opencode.execution import OpenCodeRun
from codara.adapters.agents.opencode.parse import serve_event
from codara.adapters.agents.opencode.turn import OpencodeTurn
from codara.adapters.agents.session.answers import AgentRefused, Gone
from codara.adapters.agents.session.ending import Ending
from codara.adapters.agents.session.listening import Listening
from codara.adapters.agents.session.output import Output
from codara.adapters.agents.session.rpc import Rpc
from codara.application.ports.frames import Warned, WindowSeen
from codara.clock import utc_now
from tests.fakes.jail import Box
from tests.fakes.sink import Listener

GOLDEN = Path(__file__).parents[2] / "golden"
LONGEST = 20_000
"""Bytes of a line; the long ones are schemas and lists of tools."""
ODDITIES = (
    *(None, True, -1, 7, 2.5, 10**30, 1e300, 1795174665000),
    *("", "text", [], [1], {}, {"text": 1}, [[]], [{}]),
)


@attrs.frozen
class Way:
    """How a runtime is listened to by one of its transports."""

    name: str
    files: str
    turn: Callable[[Listener], Listening]
    channel: Callable[..., Any] = Output
    ask: Callable[[Any], Any] | None = None


WAYS = (
    Way(
        "codex",
        "both-ways.jsonl",
        lambda sink: CodexTurn(sink, appserver_line, utc_now),
        Rpc,
        lambda rpc: rpc.call("initialize"),
    ),
    Way("codex", "stdout.jsonl", lambda sink: CodexTurn(sink, exec_line, utc_now)),
    Way(
        "gemini",
        "both-ways.jsonl",
        lambda sink: GeminiTurn(sink, acp_line, utc_now),
        Rpc,
        lambda rpc: rpc.call("initialize"),
    ),
    Way("gemini", "stdout.jsonl", lambda sink: GeminiTurn(sink, stream_line, utc_now)),
    Way(
        "claude",
        "stdout.jsonl",
        lambda sink: ClaudeTurn(sink, utc_now),
        ClaudeProcess,
        lambda process: process.ask("initialize"),
    ),
    Way("opencode", "events.jsonl", lambda sink: OpencodeTurn(sink, serve_event, utc_now)),
    Way("opencode", "stdout.jsonl", lambda sink: OpenCodeRun(sink, utc_now)),
)


@cache
def recorded(way: Way) -> tuple[dict[str, Any], ...]:
    """What the real program wrote, each shape of a message once."""
    found: dict[str, dict[str, Any]] = {}
    for file in sorted((GOLDEN / way.name).glob(f"*/{way.files}")):
        for line in file.read_bytes().splitlines():
            message = json.loads(line)
            if "dir" in message:
                message = message["msg"] if message["dir"] == "<" else {}
            if message and len(line) < LONGEST:
                found.setdefault(json.dumps(sorted(map(str, places(message)))), message)
    return tuple(found.values())


def places(value: Any, *above: Any) -> Iterator[tuple[Any, ...]]:
    """The ways to all members of a message."""
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for name, member in members:
        yield (*above, name)
        if isinstance(member, dict | list):
            yield from places(member, *above, name)


@st.composite
def odd(draw: st.DrawFn, way: Way) -> list[bytes]:
    """Some recorded lines, of which most have odd members."""
    lines = []
    for _ in range(draw(st.integers(1, 6))):
        message = copy.deepcopy(draw(st.sampled_from(recorded(way))))
        for _ in range(draw(st.integers(0, 2))):
            *above, name = draw(st.sampled_from(sorted(places(message), key=str)))
            target = message
            for step in above:
                target = target[step]
            target[name] = copy.deepcopy(draw(st.sampled_from(ODDITIES)))
        lines.append(json.dumps(message).encode())
    return lines


async def heard(way: Way, lines: Sequence[bytes]) -> tuple[Any, Listener, Any]:
    """The outcome of a turn in which this was written, its frames, and what a question got."""
    sink, box = Listener(), Box()
    turn = way.turn(sink)
    channel = way.channel(box, turn.heard)
    asked = asyncio.ensure_future(way.ask(channel)) if way.ask else None
    await asyncio.sleep(0)
    box.write(*lines)
    ending = Ending().exited(await channel.ended())
    turn.complain()
    (answer,) = await asyncio.gather(asked, return_exceptions=True) if asked else (None,)
    return turn.outcome(ending), sink, answer


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.name} {way.files}")
def test_odd_lines_end_in_an_outcome(way: Way) -> None:
    @settings(max_examples=60, deadline=None)
    @given(odd(way))
    def play(lines: list[bytes]) -> None:
        outcome, sink, answer = asyncio.run(heard(way, lines))
        assert outcome.status in ("completed", "failed", "interrupted")
        assert outcome.cause is None or isinstance(outcome.cause, str)
        assert isinstance(outcome.message, str)
        assert answer is None or isinstance(answer, dict | AgentRefused | Gone)
        assert all(isinstance(each.message, str) for each in sink.of(Warned))

    play()


def test_a_window_is_made_of_numbers() -> None:
    way = WAYS[0]
    window = {"usedPercent": 5, "windowDurationMins": 300, "resetsAt": 1795174665}
    for name, odd_one in ((name, each) for name in window for each in ODDITIES):
        params = {"rateLimits": {"primary": window | {name: odd_one}}}
        line = {"method": "account/rateLimits/updated", "params": params}
        _, sink, _ = asyncio.run(heard(way, [json.dumps(line).encode()]))
        for seen in sink.frames:
            for found in getattr(seen, "windows", ()):
                assert isinstance(found, WindowSeen)
                assert isinstance(found.used_percent, int | float | None)
                assert isinstance(found.minutes, int | None)
