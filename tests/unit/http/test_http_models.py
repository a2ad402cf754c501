"""The listing of models, and one of them."""

from typing import Any

import pytest
from http_with_fakes import opened, services
from openai import AsyncOpenAI, NotFoundError

from codara.application.models import Models
from codara.errors import AgentFailed, InvalidRequest
from tests.fakes.model_lists import FakeModelLists
from tests.fakes.turns import FakeTurns
from tests.fakes.users import KEY

HEADERS = {"Authorization": f"Bearer {KEY}"}


class NoAgents(FakeModelLists):
    async def models(self, provider: str) -> Any:
        raise AgentFailed(f"{provider} is not installed.")


async def test_the_listing_has_every_model_and_the_aliases() -> None:
    async with opened(services()) as door:
        body = await (await door.ask("GET", "/v1/models", headers=HEADERS)).json()
    assert body["object"] == "list"
    assert [model["id"] for model in body["data"]] == [
        "codex/gpt-5-codex",
        "codex/gpt-5",
        "uag-codex",
        "opencode/big-pickle",
        "opencode/anthropic/claude",
        "uag-opencode",
    ]
    assert body["data"][0] == {
        "id": "codex/gpt-5-codex",
        "object": "model",
        "created": 1_700_000_000,
        "owned_by": "codex",
    }


async def test_an_agent_whose_cli_is_missing_lists_nothing_and_can_be_named_all_the_same() -> None:
    models = Models(NoAgents(), {"codex": "gpt-5-codex"}, created=1)
    assert await models.listing() == []
    assert [model.public for model in await models.everything()] == [
        "codex/gpt-5-codex",
        "uag-codex",
    ]
    assert await models.resolve("uag-codex", None) == ("codex", "gpt-5-codex")


async def test_a_listing_of_one_agent_holds_no_other() -> None:
    models = Models(FakeModelLists(), {"codex": None, "opencode": None}, created=1)
    assert {model.provider for model in await models.listing("codex")} == {"codex"}
    assert await models.listing("claude") == []


async def test_a_model_is_found_by_its_id_and_by_its_bare_name() -> None:
    async with opened(services()) as door:
        for wanted in ("codex/gpt-5", "gpt-5"):
            answer = await door.ask("GET", f"/v1/models/{wanted}", headers=HEADERS)
            found = await answer.json()
            assert (found["id"], found["display_name"]) == ("codex/gpt-5", "GPT-5")
        answer = await door.ask("GET", "/v1/models/big-pickle", headers=HEADERS)
        assert (await answer.json())["id"] == "opencode/big-pickle"


async def test_an_unknown_model_is_a_404_that_names_the_parameter() -> None:
    async with opened(services()) as door:
        answer = await door.ask("GET", "/v1/models/none", headers=HEADERS)
        body = await answer.json()
    assert answer.status == 404
    assert (body["error"]["code"], body["error"]["param"]) == ("model_not_found", "model")


async def test_models_are_for_callers_with_a_key() -> None:
    async with opened(services()) as door:
        assert (await door.ask("GET", "/v1/models")).status == 401
        assert (await door.ask("GET", "/v1/models/x")).status == 401


async def test_the_official_client_lists_and_finds_models_with_slashes() -> None:
    async with (
        opened(services()) as door,
        AsyncOpenAI(base_url=f"{door.url}/v1", api_key=KEY, max_retries=0) as client,
    ):
        listed = [model.id async for model in client.models.list()]
        found = await client.models.retrieve("opencode/anthropic/claude")
    assert "opencode/big-pickle" in listed
    assert found.owned_by == "opencode"


async def codex_alone(provider: str) -> bool:
    return provider == "codex"


def lending_codex() -> Models:
    defaults = {"opencode": "opencode/big-pickle", "codex": "gpt-5-codex"}
    aliases = {"gpt-4o": "codex/gpt-5", "gpt-4": "nope/x", "small": "opencode/big-pickle"}
    return Models(FakeModelLists(), defaults, 1, aliases=aliases, may_lend=codex_alone)


async def test_the_listing_holds_what_can_run_now_and_with_all_everything() -> None:
    async with opened(services(models=lending_codex())) as door:
        now = await (await door.ask("GET", "/v1/models", headers=HEADERS)).json()
        every = await (await door.ask("GET", "/v1/models?all=true", headers=HEADERS)).json()
        odd = await door.ask("GET", "/v1/models?all=perhaps", headers=HEADERS)
        azure = await door.ask("GET", "/v1/models?api-version=1", headers=HEADERS)
    ids = ["codex/gpt-5-codex", "codex/gpt-5", "uag-codex"]
    assert [model["id"] for model in now["data"]] == [*ids, "gpt-4o"]
    assert [model["id"] for model in every["data"]] == [
        "opencode/big-pickle",
        "opencode/anthropic/claude",
        "uag-opencode",
        *ids,
        "gpt-4o",
        "small",
    ]
    assert (odd.status, azure.status) == (400, 200)


async def test_what_cannot_run_now_is_found_all_the_same() -> None:
    async with opened(services(models=lending_codex())) as door:
        answer = await door.ask("GET", "/v1/models/opencode/big-pickle", headers=HEADERS)
        assert answer.status == 200


async def test_a_name_that_a_client_insists_on_runs_as_what_the_operator_says() -> None:
    models = lending_codex()
    assert await models.resolve("gpt-4o", None) == ("codex", "gpt-5")
    assert await models.resolve("gpt-4o", "codex") == ("codex", "gpt-5")
    with pytest.raises(InvalidRequest) as refused:
        await models.resolve("gpt-4o", "opencode")
    assert refused.value.param == "provider"


async def test_the_official_client_hears_of_a_name_that_means_nothing() -> None:
    turns = FakeTurns()
    async with (
        opened(services(turns=turns)) as door,
        AsyncOpenAI(base_url=f"{door.url}/v1", api_key=KEY, max_retries=0) as client,
    ):
        for model in ("nope/x", "uag-nope", "claude-sonnet-4"):
            with pytest.raises(NotFoundError) as refused:
                await client.chat.completions.create(
                    model=model, messages=[{"role": "user", "content": "Hi"}]
                )
            assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
    assert turns.asked == []
