"""The models of all configured agents, as far as this gateway knows them now."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

import attrs

from codara.application.ports.agents import Agents
from codara.domain import models
from codara.errors import CodaraError

_log = logging.getLogger("codara.models")


@attrs.frozen
class Model:
    """A model that can be requested: its public name, its provider, and its name there.

    `title` is what its provider calls it before people; None if that is not known.
    """

    public: str
    provider: str
    name: str
    title: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Returns every name by which it is found in a listing."""
        return self.public, self.name, self.name.removeprefix(f"{self.provider}/")


MayLend = Callable[[str], Awaitable[bool]]
"""Tells whether an account of the provider may be lent now."""


async def _always(_: str) -> bool:
    return True


class Models:
    """Lists models and finds the one that a request means; never waits for a vendor.

    `defaults` maps each provider of this gateway, the preferred one first, to its default model, or
    to None. `aliases` maps names that clients insist on to models. By default every provider counts
    as one that may lend an account.
    """

    def __init__(
        self,
        agents: Agents,
        defaults: Mapping[str, str | None],
        created: int,
        *,
        aliases: Mapping[str, str] | None = None,
        may_lend: MayLend = _always,
    ) -> None:
        self.created = created
        """Unix seconds since when these models are offered: the start of the gateway."""
        self._agents = agents
        self._defaults = dict(defaults)
        self._aliases = dict(aliases or {})
        self._may_lend = may_lend

    @property
    def providers(self) -> tuple[str, ...]:
        """Returns the providers of this gateway, the preferred one first."""
        return tuple(self._defaults)

    async def resolve(self, model: str, provider: str | None) -> tuple[str, str]:
        """Returns the provider, and its own name, of the model that is meant.

        InvalidRequest or ModelNotFound, as `codara.domain.models.resolve` says.
        """
        model = self._aliases.get(model, model)
        meant = models.meant(model, provider, self.providers)
        catalogue = {each: await self._listed(each) or () for each in meant}
        return models.resolve(model, provider, self._defaults, catalogue, self.providers)

    def takes_images(self, provider: str) -> bool:
        """Tells whether the provider's agent can be shown pictures."""
        return self._agents.takes_images(provider)

    def takes_effort(self, provider: str, effort: str) -> bool:
        """Tells whether the provider's agent can be told to think that hard."""
        return effort in self._agents.efforts(provider)

    async def listing(self, provider: str | None = None) -> list[Model]:
        """Returns the models that can run now, with defaults and aliases.

        A model can run if its provider's program is there and one of its accounts may be lent.
        """
        return await self._of_those(provider, everything=False)

    async def everything(self, provider: str | None = None) -> list[Model]:
        """Returns the models of every provider of this gateway, whether they can run now or not."""
        return await self._of_those(provider, everything=True)

    async def _of_those(self, provider: str | None, *, everything: bool) -> list[Model]:
        served = [each for each in self._defaults if provider in (None, each)]
        able = [each for each in served if everything or await self._is_able(each)]
        found = [model for each in able for model in await self._of(each)]
        return found + [model for model in await self._aliased() if model.provider in able]

    async def _is_able(self, provider: str) -> bool:
        return await self._listed(provider) is not None and await self._may_lend(provider)

    async def _aliased(self) -> list[Model]:
        """Returns the operator's aliases; one that leads to no model is left out, and logged."""
        found = []
        for alias in self._aliases:
            try:
                provider, name = await self.resolve(alias, None)
            except CodaraError as refused:
                _log.warning("models.aliases: %s leads nowhere: %s", alias, refused.message)
            else:
                found.append(Model(alias, provider, name, self._title(provider, name)))
        return found

    def _title(self, provider: str, name: str) -> str | None:
        return self._agents.titles(provider).get(name)

    async def _of(self, provider: str) -> list[Model]:
        listed = await self._listed(provider) or ()
        names = dict.fromkeys(listed)
        default = self._defaults[provider]
        if default is not None:
            names.setdefault(default)
        known = [
            Model(models.public_name(provider, name), provider, name, self._title(provider, name))
            for name in names
        ]
        alias = default or next(iter(names), None)
        if alias is None:
            return known
        title = self._title(provider, alias)
        return [*known, Model(f"uag-{provider}", provider, alias, title)]

    async def _listed(self, provider: str) -> Sequence[str] | None:
        """Returns the models that the provider's CLI lists; None if the CLI is missing.

        A turn that names a provider without its CLI says why.
        """
        try:
            return await self._agents.models(provider)
        except CodaraError as missing:
            _log.debug("no models of %s: %s", provider, missing)
            return None
