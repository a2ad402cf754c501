"""What is known of a claude turn so far: the state into which the lines are folded."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from codara.adapters.agents.session.thoughts import Thoughts
from codara.application.ports.frames import Frame, ReasoningDelta, Reports, TextDelta, UsageSeen

CUT_SHORT = "max_tokens"
"""How a message stops whose rest claude asks for at once."""

_BETWEEN_MESSAGES = "\n\n"


@attrs.frozen
class ClaudeEnded:
    """The agent's own word on how the turn ended: completed, failed or interrupted."""

    status: str
    message: str = ""
    cause: str | None = None
    stop: str | None = None
    """Of a turn that is completed, the model's own word on why its answer ended."""


@attrs.frozen
class Spent:
    """What a process of claude took in all its turns: dollars, and tokens as a `usage` names them.

    Sub-agents are in it, whom a turn's own `usage` leaves out.
    """

    cost: float = 0.0
    tokens: Mapping[str, int] = attrs.field(factory=dict)

    def since(self, earlier: "Spent") -> "Spent":
        tokens = {name: now - earlier.tokens.get(name, 0) for name, now in self.tokens.items()}
        return Spent(self.cost - earlier.cost, tokens)

    def at_least(self, earlier: "Spent") -> "Spent":
        """The count never falls: a word that leaves something out takes nothing back."""
        names = self.tokens.keys() | earlier.tokens.keys()
        most = {name: max(self.tokens.get(name, 0), earlier.tokens.get(name, 0)) for name in names}
        return Spent(max(self.cost, earlier.cost), most)


NOTHING = Spent()


@attrs.frozen(kw_only=True)
class ClaudeReading:
    """One turn as it was read so far.

    `open` is the message that is being streamed and has not been said to be whole. `latest` is the
    one that began last, `thoughts` are its own; it is `settled` once it has come to an end of its
    own or a tool of it was run. One that is not may be asked for again, and claude says of it, too,
    that it is whole. `broken` turns true once a text begins again. `stop` is why the latest message
    ended, `before` the last reason of those before it. `running` holds the tools that began and did
    not end. `told` has what was said of each message's tokens; `summed` is whether the last word
    had any. `spent` is what the process took before the turn, and behind its end with it. `mark` is
    the last message that claude wrote down.
    """

    thread_id: str | None = None
    open: str | None = None
    latest: str | None = None
    settled: bool = True
    thoughts: Thoughts = attrs.field(factory=Thoughts)
    broken: bool = False
    streamed: frozenset[str] = frozenset()
    speaking: str | None = None
    answered: bool = False
    running: frozenset[str] = frozenset()
    stop: str | None = None
    before: str | None = None
    retries: int = 0
    error: str = ""
    told: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    summed: bool = False
    spent: Spent = NOTHING
    mark: str | None = None
    ended: ClaudeEnded | None = None


Read = tuple[ClaudeReading, tuple[Frame, ...]]


def begin(reading: ClaudeReading, message_id: str) -> ClaudeReading:
    """A message begins, perhaps in the place of one that broke off."""
    again = not reading.settled
    spoke = reading.latest is not None and reading.latest == reading.speaking
    return attrs.evolve(
        reading,
        latest=message_id,
        settled=False,
        thoughts=reading.thoughts.begin_again() if again else Thoughts(),
        broken=reading.broken or (again and spoke),
        stop=None,
        before=reading.stop or reading.before,
    )


def speak(reading: ClaudeReading, message_id: str, text: str) -> Read:
    """A piece of a message; an empty line sets it off from the one before, unless that was cut."""
    if not text:
        return reading, ()
    apart = reading.speaking not in (None, message_id) and reading.before != CUT_SHORT
    after = attrs.evolve(reading, speaking=message_id)
    return after, (TextDelta(_BETWEEN_MESSAGES + text if apart else text),)


def think(reading: ClaudeReading, text: str) -> Read:
    """A piece of the reasoning; what an earlier attempt at this message thought is not repeated."""
    thoughts, new = reading.thoughts.think(text)
    return attrs.evolve(reading, thoughts=thoughts), (ReasoningDelta(new),) if new else ()


def count(reading: ClaudeReading, message_id: str, usage: Mapping[str, Any]) -> Read:
    """What is said of one message's tokens: later words of it hold, unless they are zeros."""
    before = reading.told.get(message_id, {})
    now = {**usage, **before, **{name: value for name, value in usage.items() if value}}
    if now == before:
        return reading, ()
    after = attrs.evolve(reading, told={**reading.told, message_id: now})
    seen = usage_of(list(after.told.values()))
    return after, (seen,) if seen is not None else ()


def conclude(reading: ClaudeReading, spent: Spent, report: Mapping[str, Any]) -> Read:
    """claude's own words at the end of a turn; the one that knows of most tokens holds.

    Its sum leaves out sub-agents and requests that were cut off. Those it heard of are in the
    messages' own counts, sub-agents in what the process took.
    """
    spent = spent.at_least(reading.spent)
    grown = spent.since(reading.spent)
    messages = list(reading.told.values())
    counts = usage_of([grown.tokens]), usage_of([report]), usage_of(messages)
    most = max((each for each in counts if each is not None), key=_size, default=None)
    after = attrs.evolve(reading, spent=spent, summed=counts[1] is not None)
    if most is None:
        return after, ()
    report = {**report, "total_cost_usd": spent.cost, "cost_usd": grown.cost}
    return after, (attrs.evolve(most, raw=Reports().plus(*messages, report)),)


def usage_of(told: Sequence[Mapping[str, Any]]) -> UsageSeen | None:
    """claude leaves cached tokens out of its input, ours has all of them in; None without any."""
    fresh, cached, written, output = (
        sum(int(each.get(name) or 0) for each in told)
        for name in (
            "input_tokens",
            "cache_read_input_tokens",
            "cache_creation_input_tokens",
            "output_tokens",
        )
    )
    if not (fresh or cached or written or output):
        return None
    return UsageSeen(
        input=fresh + cached + written,
        cached=cached,
        cache_write=written,
        output=output,
        reasoning=0,
        raw=Reports().plus(*told),
    )


def _size(usage: UsageSeen) -> int:
    return usage.input + usage.output
