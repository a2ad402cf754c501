"""Which agent and model a request means."""

import re

import pytest

from codara.domain.models import MAX_CHARACTERS, checked_name, public_name, resolve
from codara.errors import InvalidRequest, ModelNotFound

DEFAULTS = {"codex": "gpt-5-codex", "gemini": "gemini-2.5-pro", "opencode": None}
CATALOGUE = {
    "codex": ("gpt-5-codex", "gpt-5", "shared"),
    "gemini": ("gemini-2.5-pro", "shared"),
    "opencode": ("opencode/big-pickle", "anthropic/claude-sonnet"),
}
AVAILABLE = ("codex", "gemini", "opencode")


def meant(model: str, provider: str | None = None) -> tuple[str, str]:
    return resolve(model, provider, DEFAULTS, CATALOGUE, AVAILABLE)


def refused_param(model: str, provider: str | None = None) -> str | None:
    with pytest.raises(InvalidRequest) as refused:
        meant(model, provider)
    return refused.value.param


def test_a_prefix_names_the_agent() -> None:
    assert meant("codex/gpt-5") == ("codex", "gpt-5")
    assert meant("gemini/gemini-2.5-pro") == ("gemini", "gemini-2.5-pro")


def test_a_prefix_that_agrees_with_the_provider_is_welcome() -> None:
    assert meant("codex/gpt-5", "codex") == ("codex", "gpt-5")


def test_a_prefix_that_contradicts_the_provider_is_refused() -> None:
    assert refused_param("codex/gpt-5", "gemini") == "provider"
    assert refused_param("uag-codex", "gemini") == "provider"


def test_a_bare_name_finds_the_one_agent_that_has_it() -> None:
    assert meant("gemini-2.5-pro") == ("gemini", "gemini-2.5-pro")
    assert meant("anthropic/claude-sonnet") == ("opencode", "anthropic/claude-sonnet")


def test_a_bare_name_of_two_agents_must_say_which() -> None:
    assert refused_param("shared") == "model"
    assert meant("shared", "gemini") == ("gemini", "shared")


def test_a_name_that_nobody_lists_is_for_the_cli_to_refuse_if_its_provider_is_certain() -> None:
    assert meant("brand-new", "gemini") == ("gemini", "brand-new")
    assert meant("nope/brand-new", "gemini") == ("gemini", "nope/brand-new")
    assert meant("codex/brand-new") == ("codex", "brand-new")


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("gpt-4o", "codex"),
        ("GPT-4o", "codex"),
        ("o3-mini", "codex"),
        ("codex-mini-latest", "codex"),
        ("gemini-2.5-flash", "gemini"),
    ],
)
def test_a_name_that_nobody_lists_goes_to_its_family(model: str, provider: str) -> None:
    assert meant(model) == (provider, model)


@pytest.mark.parametrize(
    "model",
    ["brand-new", "nope/x", "anthropic/unknown", "claude-sonnet-4", "opus", "uag-nope", "uag-"],
)
def test_a_name_that_nobody_here_can_have_is_not_found(model: str) -> None:
    with pytest.raises(ModelNotFound, match=re.escape(repr(model))) as refused:
        meant(model)
    assert refused.value.param == "model"


def test_a_bare_name_is_found_behind_its_agents_own_prefix_as_well() -> None:
    assert meant("big-pickle") == ("opencode", "opencode/big-pickle")
    assert meant("big-pickle", "opencode") == ("opencode", "opencode/big-pickle")


def test_a_family_goes_before_an_agent_that_offers_it_under_its_own_prefix() -> None:
    catalogue = {"codex": (), "opencode": ("opencode/gpt-9", "opencode/claude-9")}
    served = ("codex", "opencode")
    assert resolve("gpt-9", None, {}, catalogue, served) == ("codex", "gpt-9")
    assert resolve("claude-9", None, {}, catalogue, served) == ("opencode", "opencode/claude-9")


def test_an_alias_means_the_agents_default() -> None:
    assert meant("uag-gemini") == ("gemini", "gemini-2.5-pro")
    assert meant("UAG-Codex") == ("codex", "gpt-5-codex")


def test_the_default_of_the_first_agent_has_an_alias_of_its_own() -> None:
    assert meant("uag-default") == ("codex", "gpt-5-codex")
    assert meant("uag-default", "gemini") == ("gemini", "gemini-2.5-pro")


def test_any_other_alias_means_the_named_agent() -> None:
    assert meant("uag-anything", "gemini") == ("gemini", "gemini-2.5-pro")


def test_an_agent_without_a_default_uses_the_first_it_lists() -> None:
    assert meant("uag-opencode") == ("opencode", "opencode/big-pickle")


def test_an_agent_without_any_model_asks_for_a_name() -> None:
    with pytest.raises(InvalidRequest, match="name one"):
        resolve("uag-codex", None, {}, {}, ("codex",))


def test_opencode_gets_what_it_lists_whole() -> None:
    assert meant("opencode/big-pickle") == ("opencode", "opencode/big-pickle")
    assert meant("opencode/anthropic/claude-sonnet") == ("opencode", "anthropic/claude-sonnet")
    assert meant("opencode/openai/unknown") == ("opencode", "openai/unknown")


def test_an_agent_that_is_not_served_is_refused_by_field() -> None:
    assert refused_param("gpt-5", "claude") == "provider"
    assert refused_param("gpt-5", "nobody") == "provider"
    assert refused_param("claude/opus") == "model"
    assert refused_param("uag-claude") == "model"


def test_a_prefix_without_a_model_is_refused() -> None:
    assert refused_param("codex/") == "model"


def test_a_gateway_without_agents_says_so() -> None:
    with pytest.raises(InvalidRequest, match="no provider"):
        resolve("gpt-5", None, {}, {}, ())


def test_public_names_carry_their_agent_once() -> None:
    assert public_name("codex", "gpt-5") == "codex/gpt-5"
    assert public_name("opencode", "opencode/big-pickle") == "opencode/big-pickle"


@pytest.mark.parametrize("provider", AVAILABLE)
def test_every_listed_model_is_found_by_its_public_name(provider: str) -> None:
    for name in CATALOGUE[provider]:
        assert meant(public_name(provider, name)) == (provider, name)


@pytest.mark.parametrize(
    "name", ["", "a" * (MAX_CHARACTERS + 1), "a\x00b", "a\nb", "a\x7f", "a\ud800"]
)
def test_what_can_be_no_models_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        checked_name(name)
    assert refused.value.param == "model"


@pytest.mark.parametrize("name", ["gpt-5", "a" * MAX_CHARACTERS, "opencode/gw/größtes model:v1"])
def test_any_other_name_is_taken_as_it_is(name: str) -> None:
    assert checked_name(name) == name
