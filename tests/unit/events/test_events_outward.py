"""Followers that reach outside: each delivery has its end, and the follower moves on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from log_followers import Post, at, nothing_wrong, until, write

from codara.errors import ShuttingDown
from codara.events.base import Recorded
from codara.events.store.feeder import Feeder
from codara.events.store.follower import Batches
from codara.events.store.log import EventLog
from codara.events.store.outward import Outward


class Feeding:
    """A post with whatever feeds it."""

    def __init__(self, log: EventLog, post: Post, **options: Any) -> None:
        self.post = post
        self.feeder: Feeder[Recorded] = Feeder(
            Outward(post, **{"tries": 3, **options}),
            log,
            Batches(log).read,
            essential=False,
            first=0.001,
            longest=0.002,
        )
        self.feeder.start()


@pytest.fixture
async def feeding(log: EventLog) -> AsyncIterator[Any]:
    opened: list[Feeding] = []

    def make(post: Post, **options: Any) -> Feeding:
        opened.append(Feeding(log, post, **options))
        return opened[-1]

    yield make
    for each in opened:
        await each.feeder.close()


async def test_what_is_wanted_is_delivered_once_in_its_order(log: EventLog, feeding: Any) -> None:
    post = Post(unwanted=frozenset({2, 5}))
    last = await write(log, 5)
    feeding(post)
    await until(lambda: post.position == last)
    assert post.brought == [1, 3, 4, 6]
    assert post.given_up == []


async def test_what_cannot_be_delivered_is_given_up_and_the_next_is_delivered(
    log: EventLog, feeding: Any
) -> None:
    last = await write(log, 5)
    post = Post(wrong=at(3))
    feeding(post)
    await until(lambda: post.position == last)
    assert post.given_up == [(3, "ValueError")]
    assert post.tried.count(3) == 3
    assert post.brought == [n for n in range(1, last + 1) if n != 3]


async def test_while_it_tries_again_it_is_in_trouble_and_not_essential(
    log: EventLog, feeding: Any
) -> None:
    post = Post(wrong=at(1))
    made = feeding(post, tries=10_000)
    await until(lambda: len(post.tried) > 3)
    standing = made.feeder.standing()
    assert (standing.trouble, standing.essential, standing.position) == ("ValueError", False, 0)
    post.wrong = nothing_wrong
    await until(lambda: post.position == log.head())
    assert (made.feeder.trouble, post.given_up) == (None, [])


async def test_every_delivery_has_tries_of_its_own(log: EventLog, feeding: Any) -> None:
    last = await write(log, 2)
    post = Post(wrong=at(1, 2, 3))
    feeding(post)
    await until(lambda: post.position == last)
    assert post.tried == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert [position for position, _ in post.given_up] == [1, 2, 3]


async def test_a_delivery_that_hangs_has_an_end(log: EventLog, feeding: Any) -> None:
    class Hanging(Post):
        async def deliver(self, event: Recorded) -> None:
            await asyncio.sleep(60)

    post = Hanging()
    feeding(post, seconds=0.01)
    await until(lambda: post.position == log.head())
    assert post.given_up == [(1, "TimeoutError")]


async def test_an_event_it_cannot_even_judge_is_given_up(log: EventLog, feeding: Any) -> None:
    class Puzzled(Post):
        def wants(self, event: Recorded) -> bool:
            raise KeyError("secret")

    post = Puzzled()
    feeding(post)
    await until(lambda: post.position == log.head())
    assert post.given_up == [(1, "KeyError")]


async def test_what_could_not_be_kept_is_not_delivered_again(log: EventLog, feeding: Any) -> None:
    post = Post(no_room=True)
    made = feeding(post)
    await until(lambda: made.feeder.trouble is not None)
    assert made.feeder.trouble == "OperationalError: database or disk is full"
    await asyncio.sleep(0.02)
    post.no_room = False
    await until(lambda: post.position == 1)
    assert post.tried == [1]


async def test_what_could_not_be_recorded_as_given_up_is_not_tried_again(
    log: EventLog, feeding: Any
) -> None:
    post = Post(wrong=at(1), no_room=True)
    made = feeding(post)
    await until(lambda: (made.feeder.trouble or "").startswith("OperationalError"))
    await asyncio.sleep(0.02)
    post.no_room = False
    await until(lambda: post.position == 1)
    assert post.tried == [1, 1, 1]
    assert post.given_up == [(1, "ValueError")]


async def test_one_made_again_goes_on_behind_what_was_kept(log: EventLog, feeding: Any) -> None:
    last = await write(log, 4)
    post = Post(position=3)
    feeding(post)
    await until(lambda: post.position == last)
    assert post.brought == list(range(4, last + 1))


async def test_a_gateway_that_stops_counts_as_no_try(log: EventLog, feeding: Any) -> None:
    post = Post(wrong=at(1, error=ShuttingDown("the gateway is stopping")))
    made = feeding(post)
    await until(lambda: made.feeder.ended)
    assert (post.tried, post.given_up, post.position) == ([1], [], 0)


async def test_closed_during_a_delivery_it_was_not_delivered(log: EventLog, feeding: Any) -> None:
    class Hanging(Post):
        async def deliver(self, event: Recorded) -> None:
            self.tried.append(event.position)
            await asyncio.sleep(60)

    post = Hanging()
    made = feeding(post)
    await until(lambda: bool(post.tried))
    async with asyncio.timeout(1):
        await made.feeder.close()
    assert (post.position, post.given_up) == (0, [])


async def test_what_others_say_stays_out_of_the_operators_log(
    log: EventLog, feeding: Any, caplog: pytest.LogCaptureFixture
) -> None:
    post = Post(wrong=at(1, error=ConnectionError("https://example.org/?token=tok_1")))
    feeding(post)
    await until(lambda: post.position == 1)
    assert "post does not follow the log: ConnectionError" in caplog.text
    assert "tok_1" not in caplog.text
