"""The largest of everything, at a real gateway: what it is bounded by, and the memory it takes."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.gateway_process import Gateway, gateway
from tests.http_reply import Reply
from tests.processes import forget_highest, highest_memory_of, memory_of
from tests.scripted_agents import program_of

pytestmark = pytest.mark.cli

MIB = 1 << 20


@asynccontextmanager
async def a_house(folder: Path) -> AsyncIterator[Gateway]:
    async with gateway(folder, binary=program_of("codex")) as house:
        await house.chat("[[text:warm]]")
        yield house


async def taken(house: Gateway, work: Callable[[], Awaitable[Reply]]) -> tuple[Reply, int]:
    """What was answered, and the MiB that the gateway took for it at its highest."""
    assert house.process is not None
    pid = house.process.pid
    before = memory_of(pid)
    forget_highest(pid)
    answer = await work()
    return answer, (highest_memory_of(pid) - before) // MIB


async def test_a_line_of_twenty_million_values_is_refused_and_nothing_is_made_of_it(
    tmp_path: Path,
) -> None:
    async with a_house(tmp_path) as house:
        answer, mib = await taken(house, lambda: house.chat("[[values:20000000]]"))
        assert (answer.status, answer.body["codara"]["cause"]) == (502, "protocol")
        task = await house.operator("GET", f"/tasks/{answer.headers['X-Codara-Task']}")
        assert "a message of more than 200,000 values" in str(task.body)
        assert mib < 400, "60 MB as one line; read, they are 1,500 MiB"


async def test_an_upload_as_large_as_may_be_takes_a_few_times_its_size(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        body = b"\r\n".join(
            (
                b'--cut\r\nContent-Disposition: form-data; name="payload"\r\n',
                json.dumps(house_request("[[text:got it]]")).encode(),
                b'--cut\r\nContent-Disposition: form-data; name="f"; filename="f.bin"\r\n',
                b"x" * (16 * MIB - 4096),
                b"--cut--\r\n",
            )
        )
        form = {"Content-Type": "multipart/form-data; boundary=cut"}
        answer, mib = await taken(
            house, lambda: house.user("POST", "/v1/chat/completions", body, **form)
        )
        assert answer.status == 200
        assert mib < 200


@pytest.mark.soak
@pytest.mark.parametrize(
    ("prompt", "status", "most"),
    [("[[huge:60000000]]", 200, 700), ("[[huge:60000000]] [[huge:60000000]]", 502, 900)],
    ids=["as large as may be", "larger"],
)
async def test_an_answer_has_a_bound_and_takes_a_few_times_its_size(
    prompt: str, status: int, most: int, tmp_path: Path
) -> None:
    async with a_house(tmp_path) as house:
        answer, mib = await taken(house, lambda: house.chat(prompt))
        assert answer.status == status
        assert mib < most


def house_request(text: str) -> dict[str, Any]:
    return {"model": "codex/gpt-5-codex", "messages": [{"role": "user", "content": text}]}
