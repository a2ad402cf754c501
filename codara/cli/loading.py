"""The configuration a command works with."""

import argparse
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codara.config.load import Loaded


def loaded(arguments: argparse.Namespace) -> "Loaded":
    """What ``--config``, the environment and the usual places say; ConfigInvalid if it is bad."""
    from codara.config.load import load

    found = load(getattr(arguments, "config", None), os.environ)
    return _overridden(found, arguments, "host", "port")


def _overridden(found: "Loaded", arguments: argparse.Namespace, *names: str) -> "Loaded":
    import attrs

    given: dict[str, Any] = {name: getattr(arguments, name, None) for name in names}
    given = {name: value for name, value in given.items() if value is not None}
    server = attrs.evolve(found.settings.server, **given)
    sources = dict(found.sources) | {f"server.{name}": f"--{name}" for name in given}
    return attrs.evolve(
        found, settings=attrs.evolve(found.settings, server=server), sources=sources
    )
