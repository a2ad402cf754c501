"""What is known of a gemini turn so far: the state into which the lines are folded."""

from collections.abc import Mapping
from typing import Any

import attrs

from codara.adapters.agents.session.thoughts import Thoughts
from codara.application.ports.frames import Frame, ReasoningDelta, Reports, TextDelta, UsageSeen

_BETWEEN_MESSAGES = "\n\n"


@attrs.frozen
class GeminiEnded:
    """The agent's own word on how the turn ended: completed, failed or interrupted."""

    status: str
    message: str = ""
    cause: str | None = None


@attrs.frozen(kw_only=True)
class GeminiReading:
    """One turn as it was read so far.

    While `deaf`, what the agent says belongs to earlier turns. `running` holds the tools that began
    and did not end. `passage` is the text since the last tool, `thoughts` the reasoning; once
    gemini begins its answer again, `echo` is what it has said already and will say a second time,
    and `torn` turns true if it says something else, or uses a tool before it has said it all.
    `astray` turns true with the first word in another session.
    """

    session_id: str | None = None
    deaf: bool = False
    running: frozenset[str] = frozenset()
    passage: str = ""
    spoke: bool = False
    echo: str = ""
    thoughts: Thoughts = attrs.field(factory=Thoughts)
    torn: bool = False
    astray: bool = False
    ended: GeminiEnded | None = None

    @property
    def has_begun(self) -> bool:
        """Whether anything was said or thought since the last tool."""
        return bool(self.passage or self.thoughts.pieces)


Read = tuple[GeminiReading, tuple[Frame, ...]]


def speak(reading: GeminiReading, text: str) -> Read:
    """A piece of the answer; an empty line sets what follows a tool off from what came before."""
    if reading.echo:
        return _again(reading, text)
    if not text:
        return reading, ()
    apart = reading.spoke and not reading.passage
    after = attrs.evolve(reading, passage=reading.passage + text, spoke=True)
    return after, (TextDelta(_BETWEEN_MESSAGES + text if apart else text),)


def think(reading: GeminiReading, text: str) -> Read:
    """Returns a piece of the reasoning."""
    thoughts, new = reading.thoughts.think(text)
    return attrs.evolve(reading, thoughts=thoughts), (ReasoningDelta(new),) if new else ()


def begin_again(reading: GeminiReading) -> GeminiReading:
    """The agent asks for the same answer a second time: nothing of it is heard twice."""
    return attrs.evolve(reading, echo=reading.passage, thoughts=reading.thoughts.begin_again())


def use_tool(reading: GeminiReading, tool_id: str) -> GeminiReading:
    """What was said before belongs to another message."""
    running = reading.running | {tool_id}
    torn = reading.torn or bool(reading.echo)
    return attrs.evolve(
        reading, running=running, passage="", echo="", thoughts=Thoughts(), torn=torn
    )


def drop_tool(reading: GeminiReading, tool_id: str) -> GeminiReading:
    return attrs.evolve(reading, running=reading.running - {tool_id})


def used(raw: Mapping[str, Any], *, cached: str = "cached") -> tuple[Frame, ...]:
    """Tokens as the agent sums them up at a turn's end, in which thoughts are missing."""
    counts = {name: int(raw.get(name) or 0) for name in ("input_tokens", "output_tokens", cached)}
    if not any(counts.values()):
        return ()
    return (
        UsageSeen(
            input=counts["input_tokens"],
            cached=counts[cached],
            cache_write=0,
            output=counts["output_tokens"],
            reasoning=0,
            raw=Reports().plus(raw),
        ),
    )


def _again(reading: GeminiReading, text: str) -> Read:
    if reading.echo.startswith(text):
        return attrs.evolve(reading, echo=reading.echo[len(text) :]), ()
    if not text.startswith(reading.echo):
        return attrs.evolve(reading, torn=True), ()
    rest = text[len(reading.echo) :]
    return speak(attrs.evolve(reading, echo=""), rest)
