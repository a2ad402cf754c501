"""What only a try can tell is tried again and again."""

import asyncio
from collections.abc import Sequence

import pytest

from codara.application import checking
from codara.application.checking import RepeatedCheck


async def test_nothing_is_wrong_before_the_first_look() -> None:
    async def look() -> Sequence[str]:
        return ["the disk is full"]

    check = RepeatedCheck(what="the disk", look=look, pause=5.0)
    assert list(check.reasons()) == []
    await check.once()
    assert list(check.reasons()) == ["the disk is full"]


async def test_what_is_over_is_told_no_more() -> None:
    wrong = ["the disk is full"]

    async def look() -> Sequence[str]:
        return list(wrong)

    check = RepeatedCheck(what="the disk", look=look, pause=5.0)
    await check.once()
    wrong.clear()
    await check.once()
    assert list(check.reasons()) == []


async def test_a_look_that_fails_is_something_wrong() -> None:
    async def look() -> Sequence[str]:
        raise OSError("no such device")

    check = RepeatedCheck(what="the disk", look=look, pause=5.0)
    await check.once()
    assert list(check.reasons()) == ["the disk cannot be examined"]


async def test_it_looks_sooner_while_something_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    seen = iter((["ill"], ["ill"], []))

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async def look() -> Sequence[str]:
        found = next(seen, None)
        if found is None:
            raise asyncio.CancelledError
        return found

    monkeypatch.setattr(checking.asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await RepeatedCheck(what="the jail", look=look, pause=30.0).keep()
    assert pauses == [30.0, 5.0, 5.0, 30.0]
