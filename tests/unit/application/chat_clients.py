"""Chats at a gateway: what each shows on its screen, what it sends, and what it is answered."""

import asyncio
from collections.abc import Sequence
from itertools import count

import attrs
from remembering_agent import ASSISTANT, HALF, USER, Plan, Said
from restarted_gateway import Gateway, picture

from codara import errors
from codara.application.callers import Caller
from codara.application.ports.agents import Image
from codara.application.ports.frames import TextDelta
from codara.application.turns.commands import Message, RunTurn, TurnResult
from codara.application.turns.handle import TurnHandle
from tests.turn_setup import command

STATELESS, RESENDING, STATEFUL = "stateless", "resending", "stateful"
WORDS = ("hello", "go on", "why?")
"""What many chats ask, word for word."""
ANSWERS = ("fine", "yes")
"""What many chats are answered, word for word."""
PICTURES = (None, "cat", "dog", "one's own")


@attrs.frozen(kw_only=True)
class Profile:
    """Which chat it is: whose, where, and what its program sends."""

    kind: str = STATELESS
    begun: int = 0
    """So many exchanges have gone before, in words that all chats begin with."""
    user: int = 1
    key: int = 1
    place: str = "default"
    system: str = ""
    chat_id: bool = False
    forgets_pictures: bool = False
    untidy: bool = False
    """White space is another one each time, and the agent's thoughts stand in its answers."""


@attrs.define
class Chat:
    """One chat; `said` stands on its screen, and what it sends begins at `start`."""

    name: str
    profile: Profile
    gateway: Gateway
    numbers: "count[int]"
    said: tuple[Said, ...] = ()
    start: int = 0
    system: str = attrs.field(default=attrs.Factory(lambda me: me.profile.system, takes_self=True))
    systems: set[str] = attrs.field(factory=set)
    pictures: set[Image] = attrs.field(factory=set)
    left: list[tuple[tuple[Said, ...], int]] = attrs.field(factory=list)
    """Branches that are not on the screen."""
    was_reset: bool = False
    """Nothing tells its list any more from another chat's of the same words."""
    result: TurnResult | None = None
    """Of its last turn that completed."""
    turn: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    """Held while a named chat waits for its answer."""

    def question(self, word: int, shown: int) -> Said:
        """One that others ask as well, or one that only this chat asks; maybe with a picture."""
        text = WORDS[word] if word < len(WORDS) else f"{self.name} asks {next(self.numbers)}"
        name = PICTURES[shown % len(PICTURES)]
        own = f"{name} of {self.name}" if name == PICTURES[-1] else name
        return Said(USER, text, (picture(own),) if own else ())

    def answer(self, reply: int) -> str:
        """One that others get as well, or one that nobody else gets."""
        return ANSWERS[reply] if reply < len(ANSWERS) else f"answer {next(self.numbers)}"

    @property
    def session_id(self) -> str:
        """Its session; empty before there is one."""
        return self.result.session_id if self.result else ""

    @property
    def backend_id(self) -> str:
        """The thread that answered last; empty before there is one."""
        return (self.result.backend_id if self.result else None) or ""

    @property
    def is_known(self) -> bool:
        """Whether there is an answer in what it sends, or it bears a name."""
        return self.profile.kind != STATELESS or self._answers(self.start, len(self.said))

    def back(self, exchanges: int) -> Said | None:
        """Takes the last exchanges from the screen; the first question of those.

        A list without answers is appended to a named session: those keep their first exchange.
        """
        asked = [at for at, each in enumerate(self.said) if each.role == USER and at >= self.start]
        if self.profile.kind == STATEFUL:
            return None
        if self.profile.kind == RESENDING:
            asked = [at for at in asked if self._answers(self.start, at)]
        if not asked:
            return None
        at = asked[-min(exchanges, len(asked))]
        question = self.said[at]
        self.left.append((self.said, self.start))
        self.said = self.said[:at]
        return question

    def turn_to(self, which: int) -> None:
        """Shows another branch, if there is one."""
        if self.left:
            at = which % len(self.left)
            before = (self.said, self.start)
            self.said, self.start = self.left[at]
            self.left[at] = before

    def shorten(self, by: int) -> None:
        """Sends no longer what stands at the beginning."""
        self.start = max(self.start, min(self.start + by, len(self.said) - 2))

    def _answers(self, start: int, end: int) -> bool:
        return any(each.role == ASSISTANT for each in self.said[start:end])

    async def ask_both(self, question: Said, answer: str, other: Said, another: str) -> None:
        """Asks twice from what stands on the screen, at once; a named chat does one by one."""
        if self.profile.kind == STATELESS:
            await asyncio.gather(self.ask(question, answer), self.ask(other, another))
            return
        await self.ask(question, answer)
        await self.ask(other, another)

    async def ask(self, question: Said, answer: str, **more: object) -> None:
        """Asks, and shows the question with its answer."""
        before, start = self.said, self.start
        result = await self._answered(self._wanted(before, start, question, answer, **more))
        if result is None:
            return
        self.result = result
        self._show(before, start, question, Said(ASSISTANT, answer))

    async def fail(self, question: Said, *, deaf: bool, keeps: bool) -> None:
        """Asks in vain; shows the question all the same, or takes it away again."""
        before, start = self.said, self.start
        wanted = self._wanted(before, start, question, "", ends="deaf" if deaf else "badly")
        try:
            handle = await self.gateway.house.turns.submit(wanted)
            async with handle:
                await handle.result()
        except errors.AgentFailed:
            self._interrupt(before, start, question, shows="" if keeps else None, heard=not deaf)
        else:
            self.gateway.agent.wrong.append(f"{wanted.model} of {self.name} should have failed")

    async def stop(self, question: Said, *, shows: str | None, lasting: bool = False) -> None:
        """Leaves in the middle of the answer; `lasting`: the turn goes on without it."""
        before, start = self.said, self.start
        wanted = self._wanted(before, start, question, "", ends="never")
        handle = await self.gateway.house.turns.submit(wanted)
        async with handle:
            async for frame in handle.frames():
                if frame == TextDelta(HALF):
                    break
            if lasting and isinstance(handle, TurnHandle):
                handle._run.grace = 3600.0
        self._interrupt(before, start, question, shows=shows)

    async def lose(self, question: Said, *, shows: str | None, heard: bool) -> None:
        """Asks, and the gateway is killed in the middle of the answer, or before the question is
        heard."""
        before, start, gateway = self.said, self.start, self.gateway
        ends = "never" if heard else "never heard"
        wanted = self._wanted(before, start, question, "", ends=ends)
        reached = gateway.agent.waiting.setdefault(wanted.model, asyncio.Event())
        await gateway.house.turns.submit(wanted)
        await reached.wait()
        await asyncio.sleep(0.002)
        await gateway.start_again(killed=True)
        self._interrupt(before, start, question, shows=shows, heard=heard)

    async def beside(self, question: Said, answer: str) -> None:
        """Asks something that stays out of the chat, in a thread that is not kept."""
        owner = ("beside", self.name, str(next(self.numbers)))
        wanted = self._wanted(
            self.said, self.start, question, answer, owner=owner, whole=False, persistent=False
        )
        await self._answered(attrs.evolve(wanted, session_label=None))

    async def _answered(self, wanted: RunTurn) -> TurnResult | None:
        agent, plan = self.gateway.agent, self.gateway.agent.plans[wanted.model]
        try:
            handle = await self.gateway.house.turns.submit(wanted)
            async with handle:
                result = await handle.result()
        except errors.CodaraError as error:
            agent.wrong.append(f"{wanted.model} of {self.name} got {error!r}")
            return None
        if not isinstance(result, TurnResult) or result.text != plan.answer:
            agent.wrong.append(f"{wanted.model} of {self.name} is told another's answer: {result}")
            return None
        return result

    def _show(self, before: tuple[Said, ...], start: int, *more: Said) -> None:
        if self.said != before:
            self.left.append((self.said, self.start))
        self.said, self.start = (*before, *more), start

    def _interrupt(
        self,
        before: tuple[Said, ...],
        start: int,
        question: Said,
        *,
        shows: str | None,
        heard: bool = True,
    ) -> None:
        """None: the question is no longer shown; otherwise with that much of an answer.

        A program that sends its newest message alone never tells one again that went unheard.
        """
        stays = self.profile.kind == RESENDING and not self._answers(start, len(before))
        gone = not heard if self.profile.kind == STATEFUL else shows is None
        if gone and not (stays and heard):
            return
        cut = [Said(ASSISTANT, shows, whole=False)] if shows else []
        self._show(before, start, question, *cut)

    def _wanted(
        self,
        before: tuple[Said, ...],
        start: int,
        question: Said,
        answer: str,
        *,
        whole: bool = True,
        owner: tuple[str, ...] = (),
        ends: str = "well",
        marks: bool = True,
        **changes: object,
    ) -> RunTurn:
        number = f"m{next(self.numbers)}"
        self.systems.add(self.system)
        self.pictures.update(question.pictures)
        stateful = self.profile.kind == STATEFUL and whole
        chat = (*before, question)
        if stateful and before and before[-1].role == USER and before[-1].text == question.text:
            chat = (*before[:-1], question)
        sent = (question,) if stateful else chat[start:]
        is_known = not self.was_reset and not start
        self.gateway.agent.plans[number] = Plan(
            owner=owner or self._owner(),
            chat=chat,
            begins=tuple(range(len(chat)) if stateful else range(start + 1) if whole else [start]),
            systems=frozenset(self.systems) if is_known else None,
            pictures=frozenset(self.pictures) if is_known else None,
            answer=answer,
            alike=not is_known,
            ends=ends,
            marks=marks,
        )
        messages = tuple(self._message(each, each is question) for each in sent)
        system = (Message("system", self.system),) if self.system else ()
        return command(
            messages=(*system, *messages),
            model=number,
            body_digest=number,
            caller=self._caller(),
            workspace=self.profile.place,
            session_label=None if self.profile.kind == STATELESS else self.name,
            chat=self.name if self.profile.chat_id else None,
            **changes,
        )

    def _message(self, said: Said, is_new: bool) -> Message:
        pictures = said.pictures if is_new or not self.profile.forgets_pictures else ()
        if not self.profile.untidy or is_new:
            return Message(said.role, said.text, pictures)
        if said.role == ASSISTANT:
            return Message(said.role, f"<think>hm {next(self.numbers)}</think>\n{said.text}")
        space = ("\n", "  ", "\t ")[next(self.numbers) % 3]
        return Message(said.role, f" {said.text}".replace(" ", space), pictures)

    def _caller(self) -> Caller:
        user, key = f"usr_{self.profile.user}", f"key_{self.profile.user}_{self.profile.key}"
        return Caller(user_id=user, key_id=key, max_concurrency=20)

    def _owner(self) -> tuple[str, ...]:
        """Whose threads it may meet: its own, or those of all unnamed ones of its key and place."""
        profile = self.profile
        shared = ("unnamed", f"key_{profile.key}")
        named = shared if profile.kind == STATELESS else ("named", self.name)
        return (*named, f"usr_{profile.user}", profile.place)


def chats_of(gateway: Gateway, profiles: Sequence[Profile]) -> list[Chat]:
    """One chat for each profile."""
    numbers = count(1)
    return [Chat(f"chat{at}", profile, gateway, numbers) for at, profile in enumerate(profiles)]
