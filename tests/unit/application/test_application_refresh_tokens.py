"""Operators' refresh tokens: rotated with each use, across parallel uses, restarts and kills."""

import asyncio

import pytest
from service_setup import logged

from codara.application.operators import Operators
from codara.errors import InvalidApiKey
from codara.events.operator import TokenExchanged, TokenReused
from tests import event_examples
from tests.fakes.clock import FixedClock
from tests.fakes.keyring import FakeKeyRing

PASSKEY = "correct horse battery staple"
CAUSE = event_examples.by("anonymous")


def made(house):
    return Operators(
        house.deciding,
        PASSKEY,
        house.clock,
        house.new_id,
        issuer=house.log.log_id,
        run_id="gtw_1",
    )


@pytest.fixture
def operators(house):
    return made(house)


async def login(operators):
    return await operators.login(PASSKEY, "192.0.2.1", CAUSE)


async def test_a_refresh_token_is_replaced_by_its_use(operators, house):
    first = (await login(operators)).refresh_token
    second = (await operators.refresh(first, CAUSE)).refresh_token
    house.clock.move(seconds=31)
    third = (await operators.refresh(second, CAUSE)).refresh_token
    assert len({first, second, third}) == 3
    exchange = (await house.events(TokenExchanged))[-1]
    assert exchange.operator_id == "op_1"


async def test_the_same_one_within_30_seconds_gets_the_same_successor(operators, house):
    first = (await login(operators)).refresh_token
    second = (await operators.refresh(first, CAUSE)).refresh_token
    house.clock.move(seconds=30)
    assert (await operators.refresh(first, CAUSE)).refresh_token == second
    assert len(await house.events(TokenExchanged)) == 1


async def test_later_reuse_ends_the_login_and_every_token_of_it(operators, house):
    tokens, other = await login(operators), await login(operators)
    second = await operators.refresh(tokens.refresh_token, CAUSE)
    house.clock.move(seconds=31)
    with pytest.raises(InvalidApiKey, match="used before"):
        await operators.refresh(tokens.refresh_token, CAUSE)
    for token in (tokens.access_token, second.access_token):
        with pytest.raises(InvalidApiKey, match="revoked"):
            await operators.verify(token)
    with pytest.raises(InvalidApiKey, match="revoked"):
        await operators.refresh(second.refresh_token, CAUSE)
    assert [event.operator_id for event in await house.events(TokenReused)] == ["op_1"]
    assert await operators.verify(other.access_token) == "op_2"


async def test_many_at_once_get_the_same_successor(operators, house):
    first = (await login(operators)).refresh_token
    given = await asyncio.gather(*(operators.refresh(first, CAUSE) for _ in range(8)))
    assert len({tokens.refresh_token for tokens in given}) == 1
    assert len(await house.events(TokenExchanged)) == 1


async def test_no_successor_is_given_before_it_is_written(operators, house, monkeypatch):
    first = (await login(operators)).refresh_token
    written = asyncio.Event()
    queue = house.log.queue

    def slowly(*arguments, **more):
        done = queue(*arguments, **more)

        async def late():
            await written.wait()
            return await done

        return asyncio.ensure_future(late())

    monkeypatch.setattr(type(house.log), "queue", lambda _, *args, **more: slowly(*args, **more))
    both = [asyncio.create_task(operators.refresh(first, CAUSE)) for _ in range(2)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert [task.done() for task in both] == [False, False]
    written.set()
    one, other = await asyncio.gather(*both)
    assert one.refresh_token == other.refresh_token


async def test_a_chain_and_its_end_outlive_a_restart(tmp_path):
    keys, clock = FakeKeyRing(), FixedClock()
    async with logged(tmp_path, keys, clock) as before:
        first = (await login(made(before))).refresh_token
        second = (await made(before).refresh(first, CAUSE)).refresh_token
    clock.move(seconds=10)
    async with logged(tmp_path, keys, clock) as between:
        operators = made(between)
        assert (await operators.refresh(first, CAUSE)).refresh_token == second
        third = (await operators.refresh(second, CAUSE)).refresh_token
        clock.move(seconds=31)
        with pytest.raises(InvalidApiKey, match="used before"):
            await operators.refresh(first, CAUSE)
    async with logged(tmp_path, keys, clock) as after:
        with pytest.raises(InvalidApiKey, match="revoked"):
            await made(after).refresh(third, CAUSE)


async def test_a_login_from_before_rotation_begins_a_chain_with_the_token_it_has(operators, house):
    """Its log holds the login alone, as today's does until the first refresh."""
    first = (await login(operators)).refresh_token
    house.clock.move(days=6)
    assert (await operators.refresh(first, CAUSE)).refresh_token != first
