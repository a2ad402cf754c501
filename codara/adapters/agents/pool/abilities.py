"""What can be asked of the agents without starting any: are they there, and what do they take?"""

from collections.abc import Mapping, Sequence

from codara.adapters.agents.contract import Bounded, Runtime
from codara.adapters.agents.pool.presence import Presence
from codara.errors import ContextLengthExceeded


class Abilities:
    """The part of `ports.Agents` that starts no agent."""

    def __init__(self, runtimes: Mapping[str, Runtime]) -> None:
        self._runtimes = dict(runtimes)
        self._presence = Presence()

    async def check_program(self, provider: str) -> None:
        """See `ports.Agents.check_program`."""
        runtime = self._runtimes.get(provider)
        if runtime is not None:
            await self._presence.check(runtime)

    def check_prompt(self, provider: str, workspace_id: str, prompt: str) -> None:
        """See `ports.Agents.check_prompt`."""
        runtime = self._runtimes.get(provider)
        if not isinstance(runtime, Bounded):
            return
        bound = runtime.prompt_bound(workspace_id)
        if bound is not None and (excess := bound.excess(prompt)):
            raise ContextLengthExceeded(f"{runtime.name} cannot take this: {excess}")

    async def models(self, provider: str) -> Sequence[str]:
        """See `ports.Agents.models`."""
        return await self._presence.models(self._runtimes.get(provider))
