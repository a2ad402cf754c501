"""The scenes of the real CLIs: kept for as many tests as use the same one in a row."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.cli_scenes import Scene, a_scene, need


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    cli, transport = request.param
    need(cli)
    async with a_scene(cli, transport) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def scene(stage: Scene) -> Scene:
    """A scene that nothing of an earlier test is left in, but perhaps a warm process."""
    await stage.tidy()
    return stage
