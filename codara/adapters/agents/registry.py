"""The runtimes there are: a new agent is a module that satisfies `Runtime`, and a line here."""

from collections.abc import Callable, Mapping

from codara.adapters.agents.codex.config import DEFAULT_BASE_URL, CodexSettings
from codara.adapters.agents.codex.runtime import CodexRuntime
from codara.adapters.agents.contract import Runtime
from codara.adapters.agents.house import House
from codara.config.providers import Provider, Providers

Make = Callable[[Provider, House], Runtime]


def _codex(provider: Provider, house: House) -> Runtime:
    settings = CodexSettings(
        binary=provider.binary,
        default_model=provider.default_model,
        base_url=provider.base_url or DEFAULT_BASE_URL,
        transport=provider.transport,
        max_processes=provider.max_processes,
        idle_seconds=provider.idle_seconds,
        allow_hosts=provider.allow_hosts,
    )
    return CodexRuntime(settings, house)


RUNTIMES: Mapping[str, Make] = {
    "codex": _codex,
}


def runtimes(providers: Providers, house: House) -> dict[str, Runtime]:
    """Every runtime, as it is configured, by its name."""
    return {name: make(providers.named(name), house) for name, make in RUNTIMES.items()}
