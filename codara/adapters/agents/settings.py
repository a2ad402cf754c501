"""What the gateway's configuration says about one agent."""

from typing import Self

import attrs

from codara.config.providers import Provider


@attrs.frozen(kw_only=True)
class AgentSettings:
    """The settings of one runtime; without a `base_url` the vendor's own is asked."""

    binary: str
    default_model: str | None = None
    base_url: str | None = None
    transport: str = "auto"
    max_processes: int = 8
    idle_seconds: float = 600.0
    allow_hosts: tuple[str, ...] = ()

    @classmethod
    def of(cls, provider: Provider) -> Self:
        """As `codara.toml` has them."""
        return cls(
            binary=provider.binary,
            default_model=provider.default_model,
            base_url=provider.base_url,
            transport=provider.transport,
            max_processes=provider.max_processes,
            idle_seconds=provider.idle_seconds,
            allow_hosts=provider.allow_hosts,
        )
