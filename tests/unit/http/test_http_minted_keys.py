"""A key that expires makes no key that outlives it, by whatever way."""

import pytest
from management_setup import plane

ENDS = "2026-03-02T12:00:00+00:00"
EARLIER, LATER = "2026-03-02T11:00:00+00:00", "2026-03-02T12:00:01+00:00"
KEYS = "/v1/user/keys"


@pytest.fixture
async def op(tmp_path):
    async with plane(tmp_path) as opened:
        yield opened


@pytest.fixture
async def ending(op):
    """A key of Ann's that ends tomorrow."""
    return (await op.user("ann@example.org", key_expires_at=ENDS))["api_key"]["raw_key"]


async def minted(op, key, **body):
    return await op.ask("POST", KEYS, body, token=key)


@pytest.mark.parametrize("rotate", [False, True])
async def test_without_a_time_the_new_key_ends_with_the_one_that_made_it(op, ending, rotate):
    made = await minted(op, ending, rotate=rotate)
    assert (made.status, made.data["expires_at"]) == (201, ENDS)


@pytest.mark.parametrize("rotate", [False, True])
async def test_a_later_end_is_refused_with_both_times(op, ending, rotate):
    refused = await minted(op, ending, rotate=rotate, expires_at=LATER)
    assert (refused.status, refused.param) == (400, "expires_at")
    message = refused.body["error"]["message"]
    assert LATER in message
    assert ENDS in message
    assert len((await op.ask("GET", KEYS, token=ending)).data) == 1


@pytest.mark.parametrize("wanted", [EARLIER, ENDS])
async def test_an_end_in_time_is_taken(op, ending, wanted):
    assert (await minted(op, ending, expires_at=wanted)).data["expires_at"] == wanted


async def test_a_chain_of_keys_ends_with_its_first(op, ending):
    key = ending
    for rotate in (False, True, False):
        key = (await minted(op, key, rotate=rotate)).data["raw_key"]
    assert (await minted(op, key)).data["expires_at"] == ENDS
    assert (await minted(op, key, expires_at=LATER)).status == 400
    op.clock.move(days=1)
    assert (await op.ask("GET", "/v1/user/me", token=key)).status == 401


async def test_a_chain_cannot_grow_back_to_what_an_earlier_key_had(op, ending):
    short = (await minted(op, ending, expires_at=EARLIER)).data["raw_key"]
    assert (await minted(op, short)).data["expires_at"] == EARLIER
    assert (await minted(op, short, expires_at=ENDS)).status == 400


async def test_a_key_without_an_end_makes_keys_as_before(op):
    key = (await op.user("bea@example.org"))["api_key"]["raw_key"]
    assert (await minted(op, key)).data["expires_at"] is None
    assert (await minted(op, key, expires_at=LATER)).data["expires_at"] == LATER


async def test_an_operator_gives_any_end(op):
    user = await op.user("ann@example.org", key_expires_at=ENDS)
    keys = f"/management/v1/users/{user['user_id']}/keys"
    assert (await op.ask("POST", keys, {})).data["expires_at"] is None
    rotated = await op.ask("POST", f"{keys}/rotate", {"key_id": user["api_key"]["key_id"]})
    assert rotated.data["expires_at"] is None


async def test_rotating_no_named_key_is_not_rotating_all(op):
    user = await op.user("ann@example.org")
    keys = f"/management/v1/users/{user['user_id']}/keys"
    refused = await op.ask("POST", f"{keys}/rotate", {"key_id": ""})
    assert (refused.status, refused.param) == (400, "key_id")
    assert [key["status"] for key in (await op.ask("GET", keys)).data] == ["active"]
