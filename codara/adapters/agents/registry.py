"""The runtimes there are: a new agent is a module that satisfies `Runtime`, and a line here."""

from collections.abc import Callable, Mapping

from codara.adapters.agents.claude.runtime import ClaudeRuntime
from codara.adapters.agents.codex.runtime import CodexRuntime
from codara.adapters.agents.contract import Runtime
from codara.adapters.agents.gemini.runtime import GeminiRuntime
from codara.adapters.agents.house import House
from codara.adapters.agents.opencode.runtime import OpencodeRuntime
from codara.adapters.agents.settings import AgentSettings
from codara.config.providers import Providers

Make = Callable[[AgentSettings, House], Runtime]

RUNTIMES: Mapping[str, Make] = {
    "claude": ClaudeRuntime,
    "codex": CodexRuntime,
    "gemini": GeminiRuntime,
    "opencode": OpencodeRuntime,
}


def runtimes(providers: Providers, house: House) -> dict[str, Runtime]:
    """Every runtime, as it is configured, by its name."""
    return {
        name: make(AgentSettings.of(providers.named(name)), house)
        for name, make in RUNTIMES.items()
    }
