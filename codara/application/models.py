"""The models of all configured agents, as this gateway knows them at the moment."""

import logging
from collections.abc import Mapping, Sequence

import attrs

from codara.application.ports.agents import Agents
from codara.domain import models
from codara.errors import CodaraError

_log = logging.getLogger("codara.models")


@attrs.frozen
class Model:
    """A model that can be asked for: its public name, its provider, and its name there."""

    public: str
    provider: str
    name: str


class Models:
    """Lists models and finds the one a request means; never waits for a vendor.

    `defaults` gives each served provider, in the order of preference, its default model or None.
    """

    def __init__(self, agents: Agents, defaults: Mapping[str, str | None], created: int) -> None:
        self.created = created
        """Unix seconds since when these models are offered: the start of the gateway."""
        self._agents = agents
        self._defaults = dict(defaults)

    @property
    def providers(self) -> tuple[str, ...]:
        """The providers this gateway serves, the preferred one first."""
        return tuple(self._defaults)

    async def resolve(self, model: str, provider: str | None) -> tuple[str, str]:
        """The provider and its own name of the model that a request means; or InvalidRequest."""
        meant = models.meant(model, provider, self.providers)
        catalogue = {each: await self._listed(each) or () for each in meant}
        return models.resolve(model, provider, self._defaults, catalogue, self.providers)

    def takes_images(self, provider: str) -> bool:
        """Whether the provider's agent can be shown pictures."""
        return self._agents.takes_images(provider)

    async def listing(self, provider: str | None = None) -> list[Model]:
        """What the agents that can run here list, each with its default and the alias of that."""
        served = [each for each in self._defaults if provider in (None, each)]
        return [model for each in served for model in await self._of(each)]

    async def _of(self, provider: str) -> list[Model]:
        listed = await self._listed(provider)
        if listed is None:
            return []
        names = dict.fromkeys(listed)
        default = self._defaults[provider]
        if default is not None:
            names.setdefault(default)
        known = [Model(models.public_name(provider, name), provider, name) for name in names]
        alias = default or next(iter(names), None)
        return known if alias is None else [*known, Model(f"uag-{provider}", provider, alias)]

    async def _listed(self, provider: str) -> Sequence[str] | None:
        """None where its CLI is missing: such a provider lists nothing, not even its default.

        A turn that names it all the same will say what is wrong.
        """
        try:
            return await self._agents.models(provider)
        except CodaraError as missing:
            _log.debug("no models of %s: %s", provider, missing)
            return None
