"""The runtimes there are: a new agent is a module that satisfies `Runtime`, and a line here."""

from collections.abc import Callable, Mapping

from codara.adapters.agents.claude.config import DEFAULT_BASE_URL as ANTHROPIC
from codara.adapters.agents.claude.config import ClaudeSettings
from codara.adapters.agents.claude.runtime import ClaudeRuntime
from codara.adapters.agents.codex.config import DEFAULT_BASE_URL, CodexSettings
from codara.adapters.agents.codex.runtime import CodexRuntime
from codara.adapters.agents.contract import Runtime
from codara.adapters.agents.gemini.config import DEFAULT_BASE_URL as GOOGLE
from codara.adapters.agents.gemini.config import GeminiSettings
from codara.adapters.agents.gemini.runtime import GeminiRuntime
from codara.adapters.agents.house import House
from codara.adapters.agents.opencode.config import DEFAULT_BASE_URL as ZEN
from codara.adapters.agents.opencode.config import OpencodeSettings
from codara.adapters.agents.opencode.runtime import OpencodeRuntime
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


def _claude(provider: Provider, house: House) -> Runtime:
    settings = ClaudeSettings(
        binary=provider.binary,
        default_model=provider.default_model,
        base_url=provider.base_url or ANTHROPIC,
        transport=provider.transport,
        max_processes=provider.max_processes,
        idle_seconds=provider.idle_seconds,
        allow_hosts=provider.allow_hosts,
    )
    return ClaudeRuntime(settings, house)


def _opencode(provider: Provider, house: House) -> Runtime:
    settings = OpencodeSettings(
        binary=provider.binary,
        default_model=provider.default_model,
        base_url=provider.base_url or ZEN,
        transport=provider.transport,
        max_processes=provider.max_processes,
        idle_seconds=provider.idle_seconds,
        allow_hosts=provider.allow_hosts,
    )
    return OpencodeRuntime(settings, house)


def _gemini(provider: Provider, house: House) -> Runtime:
    settings = GeminiSettings(
        binary=provider.binary,
        default_model=provider.default_model,
        base_url=provider.base_url or GOOGLE,
        transport=provider.transport,
        max_processes=provider.max_processes,
        idle_seconds=provider.idle_seconds,
        allow_hosts=provider.allow_hosts,
    )
    return GeminiRuntime(settings, house)


RUNTIMES: Mapping[str, Make] = {
    "claude": _claude,
    "codex": _codex,
    "gemini": _gemini,
    "opencode": _opencode,
}


def runtimes(providers: Providers, house: House) -> dict[str, Runtime]:
    """Every runtime, as it is configured, by its name."""
    return {name: make(providers.named(name), house) for name, make in RUNTIMES.items()}
