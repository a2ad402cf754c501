"""Which agent, and which of its models, a request means."""

import re
import unicodedata
from collections.abc import Mapping, Sequence

from codara.errors import InvalidRequest, ModelNotFound
from codara.runtimes import PROVIDERS

MAX_CHARACTERS = 200
_ALIAS = "uag-"
_DEFAULT = "default"
_FAMILIES = (
    (re.compile(r"gpt-|o\d|codex-"), "codex"),
    (re.compile(r"claude-"), "claude"),
    (re.compile(r"gemini-"), "gemini"),
)
"""How the names of a vendor's models begin, and whose they are."""


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

    `catalogue` lists the models that each of the `meant` providers is known to have. A name whose
    provider is certain is passed on even if that provider does not list it: its CLI may refuse it.
    `available` are this gateway's providers, the preferred one first. InvalidRequest says which
    field is wrong; ModelNotFound says that no agent here has such a model.
    """
    if provider is not None:
        _known(provider, available, param="provider")
    if model.lower().startswith(_ALIAS):
        return _alias(model, provider, defaults, catalogue, available)
    prefix, slash, rest = model.partition("/")
    if slash and prefix in PROVIDERS:
        return _prefixed(prefix, rest, provider, catalogue, available)
    if provider is not None:
        return provider, _listed(provider, model, catalogue) or model
    return _owner(model, defaults, catalogue, available)


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

    With `provider` any other name with `uag-` means that one's default; without it only
    `uag-default` is known, and means the first one's.
    """
    named = alias[len(_ALIAS) :].lower()
    if named in PROVIDERS:
        _known(named, available, param="model")
        _agree(named, provider, alias)
        chosen = named
    elif provider is None and named != _DEFAULT:
        raise _not_found(alias)
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
) -> tuple[str, str]:
    """Resolves a name without a provider.

    It belongs to who lists it as it is, else to its family's provider, else to who lists it behind
    the provider's own name.
    """
    _first(available)
    owners = [
        each
        for each in available
        if model in catalogue.get(each, ()) or model == defaults.get(each)
    ]
    family = _family(model)
    if owners:
        return _only(owners, model), model
    if family is not None and family in available:
        return family, model
    owners = [each for each in available if f"{each}/{model}" in catalogue.get(each, ())]
    if not owners:
        raise _not_found(model)
    owner = _only(owners, model)
    return owner, f"{owner}/{model}"


def _only(owners: Sequence[str], model: str) -> str:
    if len(owners) > 1:
        names = " or ".join(public_name(each, model) for each in owners)
        raise InvalidRequest(f"More than one agent has {model}: say {names}.", param="model")
    return owners[0]


def _listed(provider: str, model: str, catalogue: Mapping[str, Sequence[str]]) -> str | None:
    """Returns the name under which the provider lists the model: this one, or with its prefix."""
    names = (model, f"{provider}/{model}")
    return next((name for name in names if name in catalogue.get(provider, ())), None)


def _family(model: str) -> str | None:
    found = (provider for form, provider in _FAMILIES if form.match(model.lower()))
    return next(found, None)


def _not_found(model: str) -> ModelNotFound:
    return ModelNotFound(
        f"No agent here has a model {model!r}; GET /v1/models lists those that can be asked for. "
        "An operator may map a name that a client insists on (models.aliases).",
        param="model",
    )


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
