"""Which agent, and which of its models, a request means."""

import unicodedata
from collections.abc import Mapping, Sequence

from codara.errors import InvalidRequest
from codara.runtimes import PROVIDERS

MAX_CHARACTERS = 200
_ALIAS = "uag-"


def checked_name(model: str) -> str:
    """Returns the model's name as a request gives it; InvalidRequest if no model can have it."""
    if not model:
        raise InvalidRequest("model must name a model; see GET /v1/models.", param="model")
    if len(model) > MAX_CHARACTERS:
        raise InvalidRequest(
            f"model has {len(model)} characters; a name has at most {MAX_CHARACTERS}.",
            param="model",
        )
    for character in model:
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise InvalidRequest(f"model holds the character {character!a}.", param="model")
    return model


def meant(model: str, provider: str | None, available: Sequence[str]) -> tuple[str, ...]:
    """Returns the providers whose catalogues decide what the request means."""
    prefix, slash, _ = model.partition("/")
    named = prefix if slash and prefix in PROVIDERS else provider
    return tuple(each for each in available if named in (None, each))


def resolve(
    model: str,
    provider: str | None,
    defaults: Mapping[str, str | None],
    catalogue: Mapping[str, Sequence[str]],
    available: Sequence[str],
) -> tuple[str, str]:
    """Returns the provider, and the model's name as that provider's CLI knows it.

    `catalogue` lists the models that each of the `meant` providers is known to have; a name that
    none of them lists is passed on, for the CLI to refuse. `available` are this gateway's
    providers; the first one serves requests that leave the provider open. InvalidRequest says which
    field is wrong.
    """
    if provider is not None:
        _known(provider, available, param="provider")
    if model.lower().startswith(_ALIAS):
        return _alias(model, provider, defaults, catalogue, available)
    prefix, slash, rest = model.partition("/")
    if slash and prefix in PROVIDERS:
        return _prefixed(prefix, rest, provider, catalogue, available)
    return provider or _owner(model, defaults, catalogue, available), model


def public_name(provider: str, model: str) -> str:
    """Returns the name under which a provider's model is listed and can be requested."""
    return model if model.startswith(f"{provider}/") else f"{provider}/{model}"


def _alias(
    alias: str,
    provider: str | None,
    defaults: Mapping[str, str | None],
    catalogue: Mapping[str, Sequence[str]],
    available: Sequence[str],
) -> tuple[str, str]:
    """Resolves `uag-<provider>` to that provider's default model.

    Any other name with `uag-` means the default of the named provider, else of the first one.
    """
    named = alias[len(_ALIAS) :].lower()
    if named in PROVIDERS:
        _known(named, available, param="model")
        _agree(named, provider, alias)
        chosen = named
    else:
        chosen = provider or _first(available)
    model = defaults.get(chosen) or next(iter(catalogue.get(chosen, ())), None)
    if model is None:
        raise InvalidRequest(f"{chosen} has no default model here; name one.", param="model")
    return chosen, model


def _prefixed(
    prefix: str,
    rest: str,
    provider: str | None,
    catalogue: Mapping[str, Sequence[str]],
    available: Sequence[str],
) -> tuple[str, str]:
    """Resolves a name with a provider before the slash.

    A provider may have models that begin with its own name: a name that it lists stays whole.
    """
    _known(prefix, available, param="model")
    _agree(prefix, provider, f"{prefix}/{rest}")
    whole = f"{prefix}/{rest}"
    if whole in catalogue.get(prefix, ()):
        return prefix, whole
    if not rest.strip():
        raise InvalidRequest(f"{whole} names no model.", param="model")
    return prefix, rest


def _owner(
    model: str,
    defaults: Mapping[str, str | None],
    catalogue: Mapping[str, Sequence[str]],
    available: Sequence[str],
) -> str:
    """Returns the one provider that has the model; the first available one if none is known to."""
    owners = [
        each
        for each in available
        if model in catalogue.get(each, ()) or model == defaults.get(each)
    ]
    if len(owners) > 1:
        names = " or ".join(public_name(each, model) for each in owners)
        raise InvalidRequest(f"More than one agent has {model}: say {names}.", param="model")
    return owners[0] if owners else _first(available)


def _known(provider: str, available: Sequence[str], *, param: str) -> None:
    if provider not in available:
        served = ", ".join(available) or "none"
        raise InvalidRequest(
            f"This gateway has no provider {provider!r}; it serves {served}.", param=param
        )


def _agree(prefix: str, provider: str | None, model: str) -> None:
    if provider is not None and provider != prefix:
        raise InvalidRequest(
            f"The model {model} belongs to {prefix}, but the provider named is {provider}.",
            param="provider",
        )


def _first(available: Sequence[str]) -> str:
    if not available:
        raise InvalidRequest("This gateway serves no provider yet.", param="provider")
    return available[0]
