"""The blocks of `codara.toml` that say how each agent runtime is run."""

from pathlib import Path
from typing import Any

import attrs

from codara.config.fields import setting
from codara.runtimes import PROVIDERS, RUNTIMES


@attrs.frozen(kw_only=True)
class Provider:
    """One agent runtime."""

    binary: str = setting(attrs.NOTHING, "Path of the program, or its name on PATH.", program=True)
    default_model: str | None = setting(None, "Model of requests that name none.")
    base_url: str | None = setting(
        None, "Address of the model server; without it the provider's own."
    )
    login_base_url: str | None = setting(
        None,
        "Where turns on a login (OAUTH_SESSION) go; without it the provider's own.",
        for_logins=True,
    )
    oauth_url: str | None = setting(
        None,
        "Where an expiring login is refreshed; without it the provider's own.",
        for_logins=True,
    )
    transport: str = setting(
        "auto",
        "`persistent`: a process that stays; `process`: one per turn; `auto`: what works.",
        choices=["auto", "persistent", "process"],
    )
    stall_timeout_seconds: float = setting(
        600.0, "A turn without progress for so long is ended; 0 turns this off.", least=0
    )
    turn_timeout_seconds: float = setting(3600.0, "Longest a turn may take.", least=1)
    max_processes: int = setting(8, "Processes of this runtime kept at the same time.", least=1)
    idle_seconds: float = setting(600.0, "An unused process is ended after this.", least=0)
    auth_path: Path | None = setting(
        None,
        "The login of this CLI that `account add --auth-type OAUTH_SESSION` reads if it is given "
        "no file, and doctor looks at.",
        for_logins=True,
    )
    allow_hosts: tuple[str, ...] = setting((), "Hosts the agents of this runtime may reach.")


_BLOCKS: dict[str, Any] = {
    known.name: attrs.field(
        default=Provider(binary=known.name, default_model=known.default_model), type=Provider
    )
    for known in RUNTIMES
}


@attrs.frozen(kw_only=True, these=_BLOCKS)
class Providers:
    """The agent runtimes: one block for each in the registry."""

    def named(self, name: str) -> Provider:
        """Returns the block of one provider; KeyError if no provider has that name."""
        if name not in PROVIDERS:
            raise KeyError(name)
        block: Provider = getattr(self, name)
        return block
