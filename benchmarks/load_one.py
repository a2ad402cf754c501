"""A client that sends one streamed turn whenever it is told to: a process of its own.

``python -m benchmarks.load_one ADDRESS KEY``: each line it reads is the body of a request, each
line it prints what came of it. Moments are seconds of the machine's monotonic clock, which all
its processes share.
"""

import asyncio
import sys
import time

import aiohttp
import orjson


async def main(address: str, key: str) -> None:
    """Answers line by line until its input ends."""
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(address, headers=headers) as http:
        while body := await asyncio.to_thread(sys.stdin.buffer.readline):
            report = await turn(http, body)
            sys.stdout.buffer.write(orjson.dumps(report) + b"\n")
            sys.stdout.buffer.flush()


async def turn(http: aiohttp.ClientSession, body: bytes) -> dict[str, float | str]:
    """When the request was sent, when the first text and the end came, and the last line."""
    begun, heard, last = time.perf_counter(), 0.0, b""
    headers = {"Content-Type": "application/json"}
    async with http.post("/v1/chat/completions", data=body, headers=headers) as response:
        async for line in response.content:
            if not heard and b'"content":"' in line and b'"content":""' not in line:
                heard = time.perf_counter()
            last = line.strip() or last
    ended = time.perf_counter()
    return {"begun": begun, "heard": heard, "ended": ended, "last": last.decode()[:500]}


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
