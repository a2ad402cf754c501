"""Stock clients: their ways to send a key, to compress a body, and to ask for what is not here."""

from typing import Any

import pytest
from http_with_fakes import a_request, opened, services

from tests.fakes.operators import OPERATOR_TOKEN
from tests.fakes.turns import FakeTurns
from tests.fakes.users import KEY

CHAT = "/v1/chat/completions"
BEARER = {"Authorization": f"Bearer {KEY}"}


@pytest.mark.parametrize("name", ["x-api-key", "api-key", "Api-Key"])
@pytest.mark.parametrize("token", [KEY, OPERATOR_TOKEN])
async def test_a_key_in_a_header_of_its_own_opens_v1_as_a_bearer_does(
    name: str, token: str
) -> None:
    async with opened(services()) as door:
        answer = await door.ask("POST", CHAT, json=a_request(), headers={name: token})
        assert answer.status == 200


async def test_a_bearer_goes_before_the_other_headers() -> None:
    async with opened(services()) as door:
        for bearer, other, status in ((KEY, "sk-x", 200), ("sk-x", KEY, 401)):
            headers = {"Authorization": f"Bearer {bearer}", "x-api-key": other}
            assert (await door.ask("GET", "/v1/models", headers=headers)).status == status


async def test_a_header_of_a_proxy_does_not_hide_the_key() -> None:
    async with opened(services()) as door:
        headers = {"Authorization": "Basic Zm9vOmJhcg==", "x-api-key": KEY}
        assert (await door.ask("GET", "/v1/models", headers=headers)).status == 200


async def test_the_operators_plane_takes_a_bearer_alone() -> None:
    async with opened(services()) as door:
        headers = {"x-api-key": OPERATOR_TOKEN}
        assert (await door.ask("GET", "/management/v1/users", headers=headers)).status == 401


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer sk-x"}, {"x-api-key": "sk-x"}])
async def test_a_key_of_elsewhere_is_called_a_key(headers: dict[str, str]) -> None:
    async with opened(services()) as door:
        answer = await door.ask("GET", "/v1/models", headers=headers)
        error = (await answer.json())["error"]
    assert (answer.status, error["code"]) == (401, "invalid_api_key")
    assert error["message"].startswith("This API key is not one of this gateway's.")
    assert "og in" not in error["message"]


@pytest.mark.parametrize(
    ("method", "path", "says"),
    [
        ("POST", "/v1/responses", "use_responses_api=False"),
        ("POST", "/responses", "use_responses_api=False"),
        ("POST", "/v1/completions", "Use /v1/chat/completions"),
        ("POST", "/v1/embeddings", "it has no embeddings. It serves /v1/chat/completions and"),
        ("POST", "/v1/moderations", "it has no moderation."),
        ("POST", "/v1/images/generations", "it has no image generation."),
        ("POST", "/v1/audio/speech", "it has no speech."),
        ("GET", "/v1/files/file-1", "send them with a chat request, as a form"),
        ("POST", "/v1/messages", "does not speak Anthropic's API. It serves /v1/chat/completions"),
        ("GET", f"{CHAT}/chatcmpl-trn_1", "/v1/user/tasks"),
        ("GET", "/models", "Did you mean /v1/models?"),
        ("GET", "/models/codex/gpt-5", "Did you mean /v1/models/codex/gpt-5?"),
        ("GET", "/v1/models/", "Did you mean /v1/models?"),
        ("POST", "/chat/completions", f"Did you mean {CHAT}?"),
        ("POST", "/v1/v1/chat/completions", f"Did you mean {CHAT}?"),
        ("POST", "/openai/deployments/gpt-4o/chat/completions", f"Did you mean {CHAT}?"),
    ],
)
async def test_a_path_that_is_not_served_is_answered_with_what_to_use(
    method: str, path: str, says: str
) -> None:
    async with opened(services()) as door:
        answer = await door.ask(method, path, headers=BEARER)
        error = (await answer.json())["error"]
    assert (answer.status, error["code"]) == (404, "not_found")
    assert error["message"].startswith(f"There is no {path} here. ")
    assert says in error["message"]


async def test_a_path_that_means_nothing_gets_no_advice() -> None:
    async with opened(services()) as door:
        error = (await (await door.ask("GET", "/v1/nonsense")).json())["error"]
    assert error["message"] == "There is no /v1/nonsense here."


@pytest.mark.parametrize("encoding", ["zstd", "br", "BR", "compress", "gzip, gzip", "nonsense"])
async def test_a_body_that_cannot_be_unpacked_is_refused_with_what_can(encoding: str) -> None:
    turns = FakeTurns()
    async with opened(services(turns=turns)) as door:
        headers = {**BEARER, "Content-Encoding": encoding, "Content-Type": "application/json"}
        answer = await door.ask("POST", CHAT, data=b'{"model": 1}', headers=headers)
        error: dict[str, Any] = (await answer.json())["error"]
    assert (answer.status, error["code"]) == (415, "invalid_request")
    assert answer.headers["Accept-Encoding"] == "gzip, deflate"
    assert answer.headers["X-Request-Id"]
    assert "gzip or deflate" in error["message"]
    assert "nstall" not in error["message"]
    assert turns.asked == []


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_body_in_one_of_these_is_read(encoding: str) -> None:
    async with opened(services()) as door:
        sent = {"json": a_request(), "headers": BEARER, "compress": encoding}
        answer = await door.ask("POST", CHAT, **sent)
        assert answer.status == 200


async def test_a_body_that_says_that_it_is_not_compressed_is_read() -> None:
    async with opened(services()) as door:
        headers = {**BEARER, "Content-Encoding": "identity"}
        answer = await door.ask("POST", CHAT, json=a_request(), headers=headers)
        assert answer.status == 200
