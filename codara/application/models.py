"""The models of all configured agents, as far as this gateway knows them now."""

import logging
from collections.abc import Mapping, Sequence

import attrs

from codara.application.ports.agents import Agents
from codara.domain import models
from codara.errors import CodaraError

_log = logging.getLogger("codara.models")


@attrs.frozen
class Model:
    """A model that can be requested: its public name, its provider, and its name there."""

    public: str
    provider: str
    name: str


class Models:
    """Lists models and finds the one that a request means; never waits for a vendor.

    `defaults` maps each provider of this gateway, the preferred one first, to its default model, or
    to None.
    """

    def __init__(self, agents: Agents, defaults: Mapping[str, str | None], created: int) -> None:
        self.created = created
        """Unix seconds since when these models are offered: the start of the gateway."""
        self._agents = agents
        self._defaults = dict(defaults)

    @property
    def providers(self) -> tuple[str, ...]:
        """Returns the providers of this gateway, the preferred one first."""
        return tuple(self._defaults)

    async def resolve(self, model: str, provider: str | None) -> tuple[str, str]:
        """Returns the provider, and its own name, of the model that is meant; or InvalidRequest."""
        meant = models.meant(model, provider, self.providers)
        catalogue = {each: await self._listed(each) or () for each in meant}
        return models.resolve(model, provider, self._defaults, catalogue, self.providers)

    def takes_images(self, provider: str) -> bool:
        """Tells whether the provider's agent can be shown pictures."""
        return self._agents.takes_images(provider)

    async def listing(self, provider: str | None = None) -> list[Model]:
        """Returns the models of the agents that can run here, with their defaults and aliases."""
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
        """Returns the models that the provider's CLI lists; None if the CLI is missing.

        A provider without its CLI lists nothing, not even its default; a turn that names it says
        why.
        """
        try:
            return await self._agents.models(provider)
        except CodaraError as missing:
            _log.debug("no models of %s: %s", provider, missing)
            return None
