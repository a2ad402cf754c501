"""The loop of all tests; and those of one CLI go to the same worker, in a row."""

import gc
import re
from typing import Any

import pytest
import uvloop

_SCENE = re.compile(r"(\w+)-(?:persistent|process)\]$")
"""How the names of tests end that are played in a scene of a real CLI."""


gc.disable()
"""While tests are collected: almost all of what is made then lives to the end."""


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """What was collected is not looked through again for garbage while the tests run."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Any]:
    """Tests run on the loop the gateway runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A warm CLI is kept between the tests that use it, and there is only one of its kind.

    pytest-xdist's own mark for this has no effect: it is written into the names of tests in a way
    (3.8) that pytest (9.2) no longer reads.
    """
    if config.getoption("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByCli(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            scene = _SCENE.search(nodeid)
            return scene[1] if scene else nodeid

    return ByCli(config, log)
