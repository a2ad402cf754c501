import asyncio

import jwt
import pytest
from service_setup import logged

from codara.application.logins import LoginGuard, origin_of
from codara.application.operators import LOCAL_OPERATOR, NOBODY, Operators
from codara.errors import InvalidApiKey, RateLimited
from codara.events.operator import LoginRefused
from tests import event_examples
from tests.fakes.clock import FixedClock
from tests.fakes.keyring import FakeKeyRing

PASSKEY = "correct horse battery staple"
HERE = "192.0.2.1"


class Pauses:
    """Delays return at once and are remembered; the wait for the next minute lasts until told."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self.minute = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        if seconds < 60:
            self.delays.append(seconds)
        else:
            await self.minute.wait()
            self.minute.clear()


@pytest.fixture
def pauses():
    return Pauses()


def made(house, pauses, passkey=PASSKEY, issuer=None):
    return Operators(
        house.deciding,
        passkey,
        house.clock,
        house.new_id,
        issuer=issuer or house.log.log_id,
        run_id="gtw_1",
        pause=pauses,
    )


@pytest.fixture
async def operators(house, pauses):
    service = made(house, pauses)
    yield service
    await service.close()


async def wrong(operators, address=HERE):
    with pytest.raises(InvalidApiKey):
        await operators.login("wrong", address, event_examples.by(NOBODY))


async def test_who_knows_the_passkey_gets_an_access_token(operators, house):
    tokens = await operators.login(PASSKEY, HERE, event_examples.by(NOBODY))
    assert (tokens.token_type, tokens.expires_in) == ("bearer", 8 * 3600)
    assert await operators.verify(tokens.access_token) == "op_1"
    assert (await house.names())[-1] == "operator.logged_in"
    assert tokens.access_token not in repr(tokens)


@pytest.mark.parametrize("secret", ["", "wrong", PASSKEY + " ", "\ud800", "x" * 100_000])
async def test_nobody_else_does(operators, secret):
    with pytest.raises(InvalidApiKey):
        await operators.login(secret, HERE, event_examples.by(NOBODY))


async def test_the_passkey_is_no_token(operators):
    with pytest.raises(InvalidApiKey):
        await operators.verify(PASSKEY)


async def test_a_refresh_token_is_no_access_token_and_the_other_way_round(operators):
    tokens = await operators.login(PASSKEY, HERE, event_examples.by(NOBODY))
    with pytest.raises(InvalidApiKey, match="access"):
        await operators.verify(tokens.refresh_token)
    with pytest.raises(InvalidApiKey, match="refresh"):
        await operators.refresh(tokens.access_token, event_examples.by(NOBODY))


async def test_a_refresh_token_gives_a_fresh_pair_of_the_same_operator(operators, house):
    tokens = await operators.login(PASSKEY, HERE, event_examples.by(NOBODY))
    house.clock.move(hours=9)
    with pytest.raises(InvalidApiKey, match="expired"):
        await operators.verify(tokens.access_token)
    fresh = await operators.refresh(tokens.refresh_token, event_examples.by(NOBODY))
    assert await operators.verify(fresh.access_token) == "op_1"


async def test_a_refresh_token_ends_after_a_week(operators, house):
    tokens = await operators.login(PASSKEY, HERE, event_examples.by(NOBODY))
    house.clock.move(days=7)
    with pytest.raises(InvalidApiKey, match="expired"):
        await operators.refresh(tokens.refresh_token, event_examples.by(NOBODY))


async def test_logging_out_ends_every_token_of_that_login_and_no_other(operators, house):
    ended, other = [
        await operators.login(PASSKEY, HERE, event_examples.by(NOBODY)) for _ in range(2)
    ]
    assert (
        await operators.logout(ended.access_token, event_examples.by("operator:op_1"))
        == house.log.head()
    )
    assert await operators.logout(ended.access_token, event_examples.by("operator:op_1")) is None
    with pytest.raises(InvalidApiKey, match="revoked"):
        await operators.verify(ended.access_token)
    with pytest.raises(InvalidApiKey, match="revoked"):
        await operators.refresh(ended.refresh_token, event_examples.by(NOBODY))
    assert await operators.verify(other.access_token)


async def test_tokens_and_their_revocation_outlive_a_restart(tmp_path, pauses):
    keys, clock = FakeKeyRing(), FixedClock()
    async with logged(tmp_path, keys, clock) as before:
        service = made(before, pauses)
        kept, ended = [
            await service.login(PASSKEY, HERE, event_examples.by(NOBODY)) for _ in range(2)
        ]
        await service.logout(ended.access_token, event_examples.by("operator:op_1"))
    async with logged(tmp_path, keys, clock) as after:
        service = made(after, pauses)
        assert await service.verify(kept.access_token) == "op_1"
        with pytest.raises(InvalidApiKey, match="revoked"):
            await service.verify(ended.access_token)
        with pytest.raises(InvalidApiKey):
            await made(after, pauses, passkey="changed").verify(kept.access_token)
        with pytest.raises(InvalidApiKey):
            await made(after, pauses, issuer="another log").verify(kept.access_token)


@pytest.mark.parametrize("algorithm", ["none", "HS512"])
async def test_a_token_signed_in_another_way_is_refused(operators, house, algorithm):
    claims = jwt.decode(
        (await operators.login(PASSKEY, HERE, event_examples.by(NOBODY))).access_token,
        options={"verify_signature": False},
    )
    key = None if algorithm == "none" else "k" * 64
    with pytest.raises(InvalidApiKey):
        await operators.verify(jwt.encode(claims, key, algorithm=algorithm))


@pytest.mark.parametrize(
    "token", ["", ".", "a.b.c", "é", "\ud800", "eyJhbGciOiJIUzI1NiJ9..", "x" * 99999]
)
async def test_what_is_no_token_is_refused(operators, token):
    with pytest.raises(InvalidApiKey):
        await operators.verify(token)


async def test_the_local_token_is_an_operators_while_the_process_lives(operators, house, pauses):
    assert await operators.verify(operators.local_token) == LOCAL_OPERATOR
    assert await operators.logout(operators.local_token, event_examples.by("operator:op_1")) is None
    with pytest.raises(InvalidApiKey):
        await made(house, pauses).verify(operators.local_token)


async def test_guessing_is_slowed_down_and_stopped(operators, pauses, house):
    for _ in range(10):
        await wrong(operators)
    assert pauses.delays == sorted(pauses.delays)
    assert pauses.delays[-1] == 0.5
    with pytest.raises(RateLimited) as limited:
        await operators.login(PASSKEY, HERE, event_examples.by(NOBODY))
    assert limited.value.retry_after == 60
    await operators.login(PASSKEY, "192.0.2.2", event_examples.by(NOBODY))
    house.clock.move(seconds=60)
    await operators.login(PASSKEY, HERE, event_examples.by(NOBODY))


async def test_many_guesses_at_once_gain_nothing(operators):
    tries = [operators.login("wrong", HERE, event_examples.by(NOBODY)) for _ in range(40)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, InvalidApiKey) for result in results) == 10
    assert sum(isinstance(result, RateLimited) for result in results) == 30


async def test_a_login_that_works_takes_back_what_was_counted(operators):
    for _ in range(3):
        for _ in range(9):
            await wrong(operators)
        await operators.login(PASSKEY, HERE, event_examples.by(NOBODY))


async def test_refused_logins_are_one_event_an_address_and_minute(operators, house):
    for address in (HERE, HERE, HERE, "192.0.2.2"):
        await wrong(operators, address)
    first = await house.events(LoginRefused)
    assert [(event.address, event.attempts) for event in first] == [(HERE, 1), ("192.0.2.2", 1)]
    house.clock.move(minutes=1)
    await wrong(operators)
    [*_, last] = await house.events(LoginRefused)
    assert (last.address, last.attempts) == (HERE, 3)


async def test_refusals_are_counted_even_if_nobody_tries_again(operators, house, pauses):
    for _ in range(5):
        await wrong(operators)
    head = house.log.head()
    house.clock.move(minutes=1)
    pauses.minute.set()
    await house.log.wait_past(head)
    [*_, last] = await house.events(LoginRefused)
    assert last.attempts == 4


async def test_closing_writes_what_was_not_counted_yet(house, pauses):
    service = made(house, pauses)
    for _ in range(3):
        await wrong(service)
    await service.close()
    assert [event.attempts for event in await house.events(LoginRefused)] == [1, 2]


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("nonsense", "unknown"),
    ],
)
def test_one_customers_addresses_count_as_one(address, origin):
    assert origin_of(address) == origin


def test_the_guard_forgets_the_oldest_of_too_many_addresses(house):
    guard = LoginGuard(limit=1)
    now = house.clock()
    assert guard.enter("first", now) is None
    assert guard.enter("first", now) is not None
    for number in range(10_000):
        guard.enter(str(number), now)
    assert guard.enter("first", now) is None
