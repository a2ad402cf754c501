"""The registry: a runtime is a package and a line."""

from pathlib import Path

import codara.adapters.agents as agents
from codara.adapters.agents.registry import maker
from codara.config.providers import Providers
from codara.runtimes import PROVIDERS


def test_every_package_of_an_agent_stands_in_the_registry() -> None:
    folder = Path(agents.__path__[0])
    assert sorted(PROVIDERS) == sorted(path.parent.name for path in folder.glob("*/runtime.py"))


def test_every_runtime_of_the_registry_can_be_made_and_configured() -> None:
    for name in PROVIDERS:
        assert maker(name).name == name
        assert Providers().named(name).binary == name
