"""Thousands of sockets that say nothing, at the doors of a real gateway."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.gateway_process import Gateway, gateway
from tests.processes import descriptors_of

FEW = "max_connections = 64\n"
BEYOND = 300
"""Descriptors that the test needs beside its sockets."""


@asynccontextmanager
async def idle_sockets(house: Gateway, number: int) -> AsyncIterator[None]:
    """Opens that many connections, some of which begin a request, and keeps them."""
    host, port = house.address.removeprefix("http://").split(":")
    kept = []
    for index in range(number):
        _, writer = await asyncio.open_connection(host, int(port))
        if index % 3 == 0:
            writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n")
        kept.append(writer)
    try:
        yield
    finally:
        for writer in kept:
            writer.close()


async def everybody_is_served(house: Gateway, number: int, bound: int) -> None:
    assert house.process is not None
    async with idle_sockets(house, number):
        assert (await house.call("GET", "/healthz")).status == 200
        passkey = (house.data_dir / "secrets" / "passkey").read_text().strip()
        login = {"operator_secret": passkey}
        assert (await house.call("POST", "/management/v1/auth/token", login)).status == 200
        assert (await house.operator("GET", "/users")).status == 200
        assert (await house.user("GET", "/v1/models")).status == 200
        assert descriptors_of(house.process.pid).total() < bound
    assert (await house.call("GET", "/healthz")).status == 200
    assert "Traceback" not in house.output()


@pytest.mark.cli
async def test_idle_sockets_keep_nobody_out(tmp_path: Path) -> None:
    async with gateway(tmp_path, server=FEW) as house:
        await everybody_is_served(house, 500, 400)


@pytest.mark.cli
@pytest.mark.soak
async def test_ten_thousand_idle_sockets_keep_nobody_out(tmp_path: Path) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    async with gateway(tmp_path) as house:
        await everybody_is_served(house, min(10_000, hard - BEYOND), 3000)
