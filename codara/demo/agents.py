"""The agents the demo can show: their npm packages, and where on the model server they speak to."""

import attrs

from codara.config.providers import Provider, Providers
from codara.domain.models import public_name


@attrs.frozen
class Agent:
    """One agent CLI; `path` is where the scripted model server speaks its wire format."""

    provider: str
    package: str
    path: str

    @property
    def model(self) -> str:
        """The model the demo asks for, by its public name."""
        return public_name(self.provider, Providers().named(self.provider).default_model or "")

    def settings(self, binary: str, model_url: str) -> Providers:
        """Returns the configuration in which this agent speaks to the scripted model."""
        block: Provider = attrs.evolve(
            Providers().named(self.provider), binary=binary, base_url=f"{model_url}{self.path}"
        )
        return attrs.evolve(Providers(), **{self.provider: block})


AGENTS = {
    agent.provider: agent
    for agent in (
        Agent("codex", "@openai/codex", "/v1"),
        Agent("gemini", "@google/gemini-cli", ""),
        Agent("opencode", "opencode-ai", "/v1"),
        Agent("claude", "@anthropic-ai/claude-code", ""),
    )
}
