"""What the benchmarks share: a scratch folder, a stopwatch, medians, and a line a figure."""

import statistics
import tempfile
import time
import timeit
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from codara.application.accounts import NewAccount
from codara.application.users import NewUser
from codara.bootstrap.house import House
from codara.events.base import Cause

T = TypeVar("T")

CAUSE = Cause(actor="bench", correlation_id="bench")
"""What a benchmark asks of the gateway's services."""


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="codara-bench-") as folder:
        yield Path(folder)


def rate(count: int, work: Callable[[], object]) -> float:
    """How many a second, if `work` does `count` of them."""
    begun = time.perf_counter()
    work()
    return count / (time.perf_counter() - begun)


async def async_rate(count: int, work: Awaitable[object]) -> float:
    """The same for something that is awaited."""
    begun = time.perf_counter()
    await work
    return count / (time.perf_counter() - begun)


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of them are."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def medians(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    """Of figures measured several times, interleaved: the median of each."""
    return {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Between these two of the values the median lies in 95 of 100 cases (by their order alone)."""
    ordered = sorted(values)
    off = round(0.98 * len(ordered) ** 0.5)
    middle = len(ordered) // 2
    return ordered[max(0, middle - off)], ordered[min(len(ordered) - 1, middle + off)]


def yardstick() -> float:
    """Milliseconds this machine takes for a million steps of plain Python, at its best.

    Figures in milliseconds are to be read against it: machines of one kind differ by half.
    """
    return min(timeit.repeat("total += step", "total = step = 1", number=1_000_000)) * 1000


def show(what: str, value: float, *, reach: str = "", unit: str = "") -> None:
    """One line: the figure, and what is to be reached."""
    number = f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
    print(f"{what:<64} {number:>10} {unit:<4} {f'(reach {reach})' if reach else ''}")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Runs a benchmark to its end, on the loop the gateway runs on."""
    return uvloop.run(main)


async def furnished(house: House, max_concurrency: int) -> str:
    """Gives the gateway a user and an account of codex; returns the user's key."""
    user = await house.services.users.provision(
        NewUser(email="bench@example.org", max_concurrency=max_concurrency), CAUSE
    )
    account = NewAccount(
        account_id="bench",
        provider="codex",
        auth_type="API_KEY",
        label="bench",
        credential=b"sk-bench",
    )
    await house.services.accounts.register(account, CAUSE)
    return user.key.raw_key
