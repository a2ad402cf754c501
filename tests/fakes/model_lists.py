"""Agents that only list their models."""

from collections.abc import Collection, Mapping, Sequence

import attrs

from codara.application.ports.agents import EFFORTS


@attrs.define
class FakeModelLists:
    listed: Mapping[str, Sequence[str]] = attrs.field(
        factory=lambda: {
            "codex": ("gpt-5-codex", "gpt-5"),
            "opencode": ("opencode/big-pickle", "anthropic/claude"),
        }
    )

    def takes_images(self, provider: str) -> bool:
        return provider == "codex"

    def efforts(self, provider: str) -> Collection[str]:
        return EFFORTS if provider == "codex" else ()

    def titles(self, provider: str) -> Mapping[str, str]:
        return {"gpt-5": "GPT-5"} if provider == "codex" else {}

    async def models(self, provider: str) -> Sequence[str]:
        return self.listed.get(provider, ())
