"""An agent that keeps what each of its threads has heard and said, and copies that as it branches.

It holds every turn against the chat that asks: a thread may have heard that chat's words alone.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import attrs

from codara.application.ports.agents import AgentTurn, FrameSink, Image, Outcome
from codara.application.ports.frames import (
    FRESH_THREAD,
    BackendSeen,
    MarkSeen,
    TextDelta,
    Warned,
)
from codara.domain.history import GO_ON

USER, ASSISTANT = "user", "assistant"
HALF = "hal"
"""What there is of an answer whose client leaves."""

_LABEL = re.compile(r"^=== (\w+)(?: \w+)? ===$", re.MULTILINE)
_OUR_NOTES = re.compile(r"^(?:\([^\n]*\)\n\n)+")
_THOUGHT = re.compile(r"<think>.*?</think>")


@attrs.frozen
class Said:
    """A message as its author knows it; an answer is not `whole` if it was cut off."""

    role: str
    text: str
    pictures: tuple[Image, ...] = ()
    whole: bool = True


@attrs.frozen(kw_only=True)
class Plan:
    """One request: whose it is, what its chat looks like, and what the agent does with it.

    `chat` is everything that was said in the branch on the screen, the last question included;
    the thread has to have heard it from one of the places in `begins` on.
    """

    owner: tuple[str, ...]
    chat: tuple[Said, ...]
    begins: tuple[int, ...]
    systems: frozenset[str] | None
    """Its instructions, earlier ones as well; None if it may go on under those of others."""
    pictures: frozenset[Image] | None
    """All that it ever showed; None if it may go on behind those of others."""
    answer: str
    alike: bool = False
    """Its beginning is not sent, or its own session is no longer looked for: it may go on where the
    last two exchanges are the same."""
    ends: str = "well"
    """`well`, `badly` (after the half), `deaf` (before it hears), `never` or `never heard`."""
    marks: bool = True


@attrs.define
class Thread:
    """What one thread of the agent has heard and said."""

    owner: tuple[str, ...]
    said: list[Said] = attrs.field(factory=list)
    systems: list[str] = attrs.field(factory=list)
    at_work: bool = False

    def branched(self, mark: int) -> "Thread":
        """A copy up to a mark."""
        return attrs.evolve(self, said=self.said[:mark], systems=list(self.systems), at_work=False)


@attrs.define
class Threads:
    """The agent. `plans` are told by the name of the model that a request asks for."""

    plans: dict[str, Plan] = attrs.field(factory=dict)
    kept: dict[str, Thread] = attrs.field(factory=dict)
    wrong: list[str] = attrs.field(factory=list)
    """What a thread should not have heard, in words."""
    begun: Counter[str] = attrs.field(factory=Counter)
    waiting: dict[str, asyncio.Event] = attrs.field(factory=dict)
    """Set once the agent does nothing more for that plan."""
    _number: int = 0

    async def __call__(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        plan = self.plans[turn.model]
        if plan.ends == "deaf":
            return Outcome(status="failed", cause="cut_stream")
        if plan.ends == "never heard":
            await self._stay(turn)
        sink.raw(b"{}")
        thread_id, turn = self._thread(turn, sink, plan)
        thread = self.kept[thread_id]
        with self._working(turn, thread):
            self._hear(turn, thread, plan)
            return await self._answer(turn, sink, plan, thread_id)

    async def _answer(
        self, turn: AgentTurn, sink: FrameSink, plan: Plan, thread_id: str
    ) -> Outcome:
        thread = self.kept[thread_id]
        await asyncio.sleep(0)
        if plan.ends == "well":
            sink.frame(TextDelta(plan.answer))
            thread.said.append(Said(ASSISTANT, plan.answer))
            if plan.marks:
                sink.frame(MarkSeen(str(len(thread.said))))
            return Outcome(status="completed", backend_id=thread_id)
        sink.frame(TextDelta(HALF))
        thread.said.append(Said(ASSISTANT, HALF, whole=False))
        if plan.ends == "never":
            await self._stay(turn)
        return Outcome(status="failed", cause="cut_stream", backend_id=thread_id)

    async def _stay(self, turn: AgentTurn) -> None:
        self.waiting.setdefault(turn.model, asyncio.Event()).set()
        await asyncio.Event().wait()

    def _thread(self, turn: AgentTurn, sink: FrameSink, plan: Plan) -> tuple[str, AgentTurn]:
        """The thread to go on with, and the turn as it has to hear it."""
        known = self.kept.get(turn.backend_id or "")
        source = self.kept.get(turn.fork.backend_id) if turn.fork else None
        self.begun["resumed" if known else "branched" if source else "fresh"] += 1
        if known is not None and turn.backend_id is not None:
            sink.frame(BackendSeen(turn.backend_id))
            return turn.backend_id, turn
        self._number += 1
        thread_id = f"thread-{self._number}"
        made = Thread(plan.owner)
        if source is not None and turn.fork is not None:
            made = source.branched(int(turn.fork.mark))
        elif turn.backend_id is not None or turn.fork is not None:
            sink.frame(Warned(FRESH_THREAD))
            turn = turn.afresh()
        self.kept[thread_id] = made
        sink.frame(BackendSeen(thread_id))
        return thread_id, turn

    @contextmanager
    def _working(self, turn: AgentTurn, thread: Thread) -> Iterator[None]:
        if thread.at_work:
            self.wrong.append(f"two turns at once in one thread: {turn.model}")
        thread.at_work = True
        try:
            yield
        finally:
            thread.at_work = False

    def _hear(self, turn: AgentTurn, thread: Thread, plan: Plan) -> None:
        heard = list(messages_in(turn.prompt))
        pictured = [*heard[:-1], attrs.evolve(heard[-1], pictures=turn.images)] if heard else []
        thread.said += pictured
        thread.systems.append(turn.instructions)
        self.wrong += wrongs(thread, plan, turn)


def messages_in(prompt: str) -> Iterator[Said]:
    """The messages that a prompt tells."""
    prompt = _OUR_NOTES.sub("", prompt)
    if prompt == GO_ON:
        return
    parts = _LABEL.split(prompt)
    if len(parts) == 1:
        yield from (Said(USER, _tidy(text)) for text in prompt.split("\n\n"))
    for role, text in zip(parts[1::2], parts[2::2], strict=True):
        yield Said(role.lower(), _tidy(text))


def _tidy(text: str) -> str:
    return " ".join(_THOUGHT.sub("", text).replace("[image]", "").split())


def wrongs(thread: Thread, plan: Plan, turn: AgentTurn) -> Iterator[str]:
    """What is wrong with a thread that this plan's request is told to."""
    where = f"{turn.model} of {plan.owner} in a thread with {told(thread.said)}"
    if thread.owner != plan.owner:
        yield f"the thread is of {thread.owner}: {where}"
    if not any(leads(thread.said, plan.chat[begin:]) for begin in plan.begins) and not (
        plan.alike and ends_alike(thread.said, plan.chat)
    ):
        yield f"the chat says {told(plan.chat)}: {where}"
    known = pictures_in(thread.said) if plan.pictures is None else plan.pictures
    if foreign := [each for each in pictures_in(thread.said) if each not in known]:
        yield f"pictures {[each.data for each in foreign]} are another's: {where}"
    if missing := [each for each in plan.chat[-1].pictures if each not in turn.images]:
        yield f"pictures {[each.data for each in missing]} are not shown: {where}"
    if foreign_words := sorted(set(thread.systems) - (plan.systems or set(thread.systems))):
        yield f"instructions {foreign_words} are another's: {where}"


def leads(heard: Sequence[Said], chat: Sequence[Said]) -> bool:
    """Whether a thread that heard this has heard the chat, all of it and nothing else.

    For an answer that was cut off the chat may show anything, or nothing; the question before it
    may have been asked again.
    """
    places, cut = {0}, False
    for each in heard:
        if each.role == ASSISTANT and not each.whole:
            cut = True
            continue
        places = {after for place in places for after in _after(each, chat, place, cut)}
        cut = False
    return len(chat) in places


def ends_alike(heard: Sequence[Said], chat: Sequence[Said]) -> bool:
    """Whether the last two exchanges, and the question behind them, are those of the chat."""
    last = chat[-5:]
    return any(leads(heard[at:], last) for at in range(len(heard)))


def _after(each: Said, chat: Sequence[Said], place: int, cut: bool) -> Iterator[int]:
    if _is(each, chat, place):
        yield place + 1
    if not cut:
        return
    if place and _is(each, chat, place - 1):
        yield place
    if place < len(chat) and chat[place].role == ASSISTANT and _is(each, chat, place + 1):
        yield place + 2


def _is(each: Said, chat: Sequence[Said], place: int) -> bool:
    return place < len(chat) and (chat[place].role, chat[place].text) == (each.role, each.text)


def pictures_in(said: Iterable[Said]) -> list[Image]:
    """All pictures, in their order."""
    return [picture for each in said for picture in each.pictures]


def told(said: Iterable[Said]) -> list[str]:
    """For reading."""
    return [f"{each.role[0]}:{each.text}{'' if each.whole else '...'}" for each in said]
