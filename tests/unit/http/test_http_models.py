"""The listing of models, and one of them."""

from typing import Any

from http_with_fakes import opened, services
from openai import AsyncOpenAI

from codara.application.models import Models
from codara.errors import AgentFailed
from tests.fakes.model_lists import FakeModelLists
from tests.fakes.users import KEY

HEADERS = {"Authorization": f"Bearer {KEY}"}


class NoAgents:
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
    assert await models.resolve("uag-codex", None) == ("codex", "gpt-5-codex")


async def test_a_listing_of_one_agent_holds_no_other() -> None:
    models = Models(FakeModelLists(), {"codex": None, "opencode": None}, created=1)
    assert {model.provider for model in await models.listing("codex")} == {"codex"}
    assert await models.listing("claude") == []


async def test_a_model_is_found_by_its_id_and_by_its_bare_name() -> None:
    async with opened(services()) as door:
        for wanted in ("codex/gpt-5", "gpt-5"):
            answer = await door.ask("GET", f"/v1/models/{wanted}", headers=HEADERS)
            assert (await answer.json())["id"] == "codex/gpt-5"


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
