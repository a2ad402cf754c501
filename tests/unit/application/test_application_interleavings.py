"""Many chats in any order: no thread hears, and no client is told, what another chat said."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import attrs
import pytest
from chat_clients import RESENDING, STATEFUL, STATELESS, Chat, Profile, chats_of
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from remembering_agent import HALF
from restarted_gateway import Gateway

QUIET = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


@attrs.frozen
class Move:
    """What a chat does next, and with which words; `together` with the move behind it."""

    which: int
    what: str
    word: int = 9
    shown: int = 0
    reply: int = 9
    depth: int = 1
    together: bool = False


CHATTING = {
    "say": 6,
    "regenerate": 2,
    "edit": 2,
    "turn to": 2,
    "twice": 1,
    "two ways": 1,
    "shorten": 2,
    "stop": 2,
    "stop and hurry": 1,
    "fail": 2,
    "instruct": 1,
    "aside": 1,
}
"""What chats do, and how often; several may do so at once."""
TURNING = {
    "fold": 2,
    "fold some": 2,
    "start again": 1,
    "start without views": 1,
    "kill": 1,
    "forget": 1,
    "reset": 1,
    "expire": 1,
}
"""What happens to the gateway, its read models and its agent between those."""


@attrs.define
class Play:
    """Chats at one gateway."""

    gateway: Gateway
    chats: list[Chat]

    async def begin(self) -> None:
        """Lets every chat have said as much as it has."""
        for chat in self.chats:
            for word in range(chat.profile.begun):
                await chat.ask(chat.question(word % 2, 0), chat.answer(word % 2))

    async def moves(self, moves: Sequence[Move]) -> None:
        """Makes them in their order, and those that belong together at once."""
        for at_once in _together(moves):
            if len(at_once) == 1 and at_once[0].what in TURNING:
                await self._turn(at_once[0])
            else:
                await asyncio.gather(*(self._in_turn(move) for move in at_once))

    def _of(self, move: Move) -> Chat:
        return self.chats[move.which % len(self.chats)]

    async def _in_turn(self, move: Move) -> None:
        """A named chat waits for its own answers, others may ask twice at once."""
        chat = self._of(move)
        async with chat.turn if chat.profile.kind != STATELESS else nullcontext():
            await self._chat(chat, move)

    async def _chat(self, chat: Chat, move: Move) -> None:
        question, answer = chat.question(move.word, move.shown), chat.answer(move.reply)
        shows = (HALF, "", None)[move.depth % 3]
        match move.what:
            case "regenerate":
                question = chat.back(1) or question
            case "edit":
                chat.back(move.depth)
            case "turn to":
                chat.turn_to(move.depth)
            case "shorten":
                chat.shorten(move.depth)
            case "instruct":
                chat.system = f"be {'kind' if move.word % 2 else chat.name}"
        match move.what:
            case "twice" | "two ways":
                other = question if move.what == "twice" else chat.question(move.word, 0)
                await chat.ask_both(question, answer, other, chat.answer(move.reply))
            case "stop":
                await chat.stop(question, shows=shows)
            case "stop and hurry":
                is_seen = shows is None or not chat.start
                is_led_back = chat.is_known or shows == HALF
                await chat.stop(question, shows=shows, lasting=is_seen and is_led_back)
                again = question if shows is None else chat.question(move.word, 0)
                await chat.ask(again, answer)
            case "fail":
                await chat.fail(question, deaf=move.depth == 1, keeps=shows is not None)
            case "aside":
                await chat.beside(question, answer)
            case _:
                await chat.ask(question, answer, marks=move.depth != 3)

    async def _turn(self, move: Move) -> None:
        chat, gateway = self._of(move), self.gateway
        match move.what:
            case "fold":
                await gateway.models.fold()
            case "fold some":
                behind = gateway.house.log.head() - gateway.models.position()
                await gateway.models.fold(gateway.models.position() + behind * move.depth // 4)
            case "start again":
                await gateway.start_again()
            case "start without views":
                await gateway.start_again(without_views=True)
            case "kill":
                heard = move.reply % 2 == 0
                shows = (HALF if heard else "", "", None)[move.depth % 3]
                await chat.lose(chat.question(move.word, move.shown), shows=shows, heard=heard)
            case "forget":
                gateway.agent.kept.pop(chat.backend_id, None)
            case "reset" if chat.session_id:
                chat.was_reset = True
                await gateway.reset(chat.session_id)
            case "expire":
                gateway.house.clock.move(days=2)
                for each in self.chats:
                    each.was_reset = True


def _together(moves: Sequence[Move]) -> Iterator[list[Move]]:
    group: list[Move] = []
    for move in moves:
        if move.what in TURNING or move.what == "stop and hurry":
            if group:
                yield group
            yield [move]
            group = []
            continue
        group.append(move)
        if not move.together or len(group) == 4:
            yield group
            group = []
    if group:
        yield group


async def wrongs_of(
    folder: Path, profiles: Sequence[Profile], moves: Sequence[Move], *, forking: bool = True
) -> list[str]:
    """What went wrong in this history."""
    gateway = await Gateway(folder, forking=forking).open()
    try:
        play = Play(gateway, chats_of(gateway, profiles))
        async with asyncio.timeout(60):
            await play.begin()
            await play.moves(moves)
    finally:
        await gateway.stop()
    SEEN.update(gateway.agent.begun)
    SEEN["histories"] += 1
    SEEN["turns"] += len(gateway.agent.plans)
    return gateway.agent.wrong


SEEN: Counter[str] = Counter()
"""What the histories of this process were made of."""

seldom = st.sampled_from((1, 1, 1, 2))
profiles = st.builds(
    Profile,
    kind=st.sampled_from((STATELESS, STATELESS, STATELESS, STATELESS, RESENDING, STATEFUL)),
    begun=st.integers(0, 4),
    user=seldom,
    key=seldom,
    place=st.sampled_from(("default", "default", "default", "elsewhere")),
    system=st.sampled_from(("", "", "be terse", "be kind")),
    chat_id=st.sampled_from((False, False, True)),
    forgets_pictures=st.booleans(),
    untidy=st.booleans(),
)
whats = [what for kinds in (CHATTING, TURNING) for what, n in kinds.items() for _ in range(n)]
small = st.integers(0, 3)


def moves(*, words: Sequence[int], replies: Sequence[int]) -> st.SearchStrategy[list[Move]]:
    """Moves whose questions and answers are these; above those that are shared, one's own."""
    one = st.builds(
        Move,
        which=st.integers(0, 4),
        what=st.sampled_from(whats),
        word=st.sampled_from(words),
        shown=st.sampled_from((0, 0, 0, 0, 1, 2, 3)),
        reply=st.sampled_from(replies),
        depth=small,
        together=st.sampled_from((False, False, True)),
    )
    return st.lists(one, min_size=4, max_size=24)


mixed = moves(words=(0, 0, 1, 2, 9, 9), replies=(0, 0, 0, 1, 9, 9))
alike = moves(words=(0, 0, 0, 1, 1, 9), replies=(0, 0, 0, 0, 1, 9))
histories = given(
    st.lists(profiles, min_size=2, max_size=5),
    mixed | alike,
    st.sampled_from((True, True, False)),
)


def _hold(profiles: list[Profile], moves: list[Move], forking: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        wrong = asyncio.run(wrongs_of(Path(folder), profiles, moves, forking=forking))
    assert wrong == []


@settings(max_examples=40, derandomize=True, **QUIET)
@histories
def test_no_thread_hears_another_chat_whatever_happens(
    profiles: list[Profile], moves: list[Move], forking: bool
) -> None:
    _hold(profiles, moves, forking)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", range(20))
def test_no_thread_hears_another_chat_in_many_histories(number: int) -> None:
    seed(number)(settings(max_examples=150, **QUIET)(histories(_hold)))()
