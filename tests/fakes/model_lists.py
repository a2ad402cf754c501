"""Agents that only list their models."""

from collections.abc import Mapping, Sequence

import attrs


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

    async def models(self, provider: str) -> Sequence[str]:
        return self.listed.get(provider, ())
