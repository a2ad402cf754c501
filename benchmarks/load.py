"""A client that sends turns and prints what they cost: a process of its own beside the gateway.

``python -m benchmarks.load ADDRESS KEY TURNS CONCURRENCY [SESSIONS]``
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from itertools import count

import aiohttp


async def main(address: str, key: str, turns: int, concurrency: int, sessions: int) -> None:
    """Prints one JSON line: milliseconds of every turn, turns a second, what went wrong."""
    costs: list[float] = []
    errors: list[str] = []
    numbers = count()
    connector = aiohttp.TCPConnector(limit=concurrency)
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(address, connector=connector, headers=headers) as http:

        async def worker(name: int) -> None:
            for number in numbers:
                if number >= turns:
                    return
                session = f"s{number % sessions}" if sessions > concurrency else f"s{name}"
                await one(http, name, session, costs, errors)

        begun = time.perf_counter()
        await asyncio.gather(*(worker(name) for name in range(concurrency)))
        seconds = time.perf_counter() - begun
    report = {"costs": costs, "rate": len(costs) / seconds, "errors": errors[:5]}
    sys.stdout.write(json.dumps(report))


async def one(
    http: aiohttp.ClientSession, name: int, session: str, costs: list[float], errors: list[str]
) -> None:
    """One turn in the worker's own workspace."""
    body = {
        "model": "codex/fake-model",
        "messages": [{"role": "user", "content": "hello"}],
        "workspace_id": f"w{name}",
        "client_session_id": session,
    }
    begun = time.perf_counter()
    async with http.post("/v1/chat/completions", json=body) as response:
        text = await response.text()
    if response.status == 200:
        costs.append((time.perf_counter() - begun) * 1000)
    else:
        errors.append(text[:300])


def arguments(words: list[str]) -> Iterator[int]:
    """The three numbers; as many sessions as workers by default."""
    turns, concurrency, *rest = (int(word) for word in words)
    yield from (turns, concurrency, rest[0] if rest else concurrency)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], *arguments(sys.argv[3:])))
