"""A turn through the door, answered in one piece."""

import asyncio
import base64

import attrs
import openai
import pytest
from http_with_fakes import a_request, opened, services
from openai import AsyncOpenAI

from codara.errors import (
    AgentFailed,
    AllAccountsCooling,
    CodaraError,
    InvalidRequest,
    ModelNotFound,
    NotFound,
    SessionBusy,
    StorageFull,
    WorkspaceAccessDenied,
)
from codara.events.workspace import FileChange
from tests.fakes.operators import OPERATOR_TOKEN
from tests.fakes.turns import RESULT, FakeTurns, HeldTurns, ScriptedTurn
from tests.fakes.users import KEY


async def test_the_answer_is_a_completion_with_our_fields_beside_it() -> None:
    async with opened(services()) as door:
        answer = await door.chat()
        body = await answer.json()
    assert answer.status == 200
    assert (body["id"], body["object"]) == ("chatcmpl-trn_1", "chat.completion")
    assert body["model"] == "codex/gpt-5-codex"
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello world"},
            "finish_reason": "stop",
        }
    ]
    assert body["usage"]["total_tokens"] == 15
    assert body["usage"]["prompt_tokens_details"] == {"cached_tokens": 4}
    assert body["usage"]["completion_tokens_details"] == {"reasoning_tokens": 2}
    assert body["modified_files"] == ["a\\xff.txt", "b.txt"]
    assert (body["diff"], body["dirty"]) == (RESULT.diff, False)
    assert body["actions"] == [{"action_id": "atr_1", "type": "patch"}]


async def test_the_codara_object_names_everything_of_the_turn() -> None:
    async with opened(services()) as door:
        body = await (await door.chat()).json()
    files = body["codara"].pop("files")
    assert body["codara"] == {
        "task_id": "trn_1",
        "turn_id": "trn_1",
        "session_id": "ses_1",
        "client_session_id": "default",
        "workspace_id": "wsp_1",
        "workspace": "default",
        "provider": "codex",
        "model": "gpt-5-codex",
        "backend_id": "thread-1",
        "thread": "new",
        "position": 42,
        "ignored": [],
        "diff_truncated": False,
        "partial": [],
        "jailed": True,
        "timings": {"agent": 12.5},
    }
    assert files[0]["status"] == "added"
    assert "path_b64" not in files[0]
    assert files[1]["path_b64"] == "Yf8udHh0"


async def test_what_is_not_utf_8_has_its_bytes_beside_it() -> None:
    moved = FileChange(
        path="n", status="renamed", old_path="\\xe9", old_path_b64="6Q==", encoding="other"
    )
    result = attrs.evolve(RESULT, files=(*RESULT.files, moved), diff_bytes=b"+caf\xe9\n")
    async with opened(services(turns=FakeTurns(ScriptedTurn(outcome=result)))) as door:
        body = await (await door.chat()).json()
    assert base64.b64decode(body["diff_b64"]) == b"+caf\xe9\n"
    assert body["modified_files"] == ["a\\xff.txt", "b.txt", "n"]
    assert body["modified_files_b64"] == ["Yf8udHh0", None, None]
    assert body["codara"]["files"][2]["old_path_b64"] == "6Q=="
    assert [file["encoding"] for file in body["codara"]["files"]] == [None, None, "other"]


async def test_an_answer_in_which_something_was_replaced_says_so() -> None:
    result = attrs.evolve(RESULT, text_replaced=True)
    async with opened(services(turns=FakeTurns(ScriptedTurn(outcome=result)))) as door:
        body = await (await door.chat()).json()
    assert body["codara"]["text_replaced"] is True


async def test_two_names_that_look_the_same_are_two_names() -> None:
    files = (
        FileChange(path="\\xe9", status="added", path_b64="6Q=="),
        FileChange(path="\\xe9", status="added"),
    )
    result = attrs.evolve(RESULT, files=files)
    async with opened(services(turns=FakeTurns(ScriptedTurn(outcome=result)))) as door:
        body = await (await door.chat()).json()
    assert body["modified_files"] == ["\\xe9", "\\xe9"]
    assert body["modified_files_b64"] == [None, "6Q=="]


async def test_an_answer_that_is_all_utf_8_has_no_base64() -> None:
    result = attrs.evolve(RESULT, files=RESULT.files[:1])
    async with opened(services(turns=FakeTurns(ScriptedTurn(outcome=result)))) as door:
        assert "b64" not in await (await door.chat()).text()


async def test_the_answer_names_the_turn_in_its_headers() -> None:
    async with opened(services()) as door:
        headers = (await door.chat()).headers
    assert headers["X-Codara-Session"] == "ses_1"
    assert headers["X-Codara-Task"] == "trn_1"
    assert headers["X-Codara-Position"] == "42"
    assert "Idempotency-Replayed" not in headers


async def test_a_replayed_answer_says_so() -> None:
    turns = FakeTurns(turn=ScriptedTurn(replayed=True))
    async with opened(services(turns=turns)) as door:
        assert (await door.chat()).headers["Idempotency-Replayed"] == "true"


async def test_usage_is_there_even_if_the_agent_told_nothing() -> None:
    turns = FakeTurns(turn=ScriptedTurn(outcome=attrs.evolve(RESULT, usage=None)))
    async with opened(services(turns=turns)) as door:
        assert (await (await door.chat()).json())["usage"]["total_tokens"] == 0


async def test_the_command_carries_the_request_and_who_sent_it() -> None:
    turns = FakeTurns()
    async with opened(services(turns=turns)) as door:
        await door.chat(
            a_request(workspace_id="w", client_session_id="s"),
            **{"X-Request-Id": "mine-1", "Idempotency-Key": "k", "x-stainless-retry-count": "1"},
        )
    asked = turns.asked[0]
    assert (asked.provider, asked.model) == ("codex", "gpt-5-codex")
    assert (asked.workspace, asked.session_label) == ("w", "s")
    assert (asked.request_id, asked.idempotency_key, asked.retry) == ("mine-1", "k", True)
    assert asked.caller.user_id == "usr_1"


async def test_an_operators_turn_runs_as_the_dashboard_admin() -> None:
    turns = FakeTurns()
    async with opened(services(turns=turns)) as door:
        answer = await door.chat(Authorization=f"Bearer {OPERATOR_TOKEN}")
    assert answer.status == 200
    assert turns.asked[0].caller.actor == "operator:op_1"


async def test_nothing_is_asked_without_a_key() -> None:
    turns = FakeTurns()
    async with opened(services(turns=turns)) as door:
        answer = await door.ask("POST", "/v1/chat/completions", data=b"not even json")
    assert (answer.status, turns.asked) == (401, [])


@pytest.mark.parametrize(
    ("model", "provider"), [("gemini/pro", None), ("gpt-5", "nobody"), ("codex/gpt-5", "opencode")]
)
async def test_a_model_nobody_has_starts_no_turn(model: str, provider: str | None) -> None:
    turns = FakeTurns()
    async with opened(services(turns=turns)) as door:
        answer = await door.chat(a_request(model=model, provider=provider))
    assert (answer.status, turns.asked) == (400, [])


async def test_a_client_that_leaves_is_no_listener_any_more() -> None:
    turn = ScriptedTurn(hold=True)
    async with opened(services(turns=FakeTurns(turn=turn))) as door:
        asking = asyncio.create_task(door.chat())
        await turn.waiting.wait()
        asking.cancel()
        await asyncio.wait_for(turn.left.wait(), 5)
    assert turn.left_by is asyncio.CancelledError


async def test_a_client_that_leaves_in_the_middle_of_the_admission_leaves_no_turn_behind() -> None:
    turns = HeldTurns()
    async with opened(services(turns=turns)) as door:
        asking = asyncio.create_task(door.chat())
        await turns.came.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        turns.goes_on.set()
        await asyncio.wait_for(turns.turn.left.wait(), 5)
    assert turns.finished


async def test_a_failed_turn_still_says_which_one_it_was() -> None:
    failed = AgentFailed("The agent crashed.", cause="crashed", retry_safe=False)
    turns = FakeTurns(turn=ScriptedTurn(outcome=failed))
    async with opened(services(turns=turns)) as door:
        answer = await door.chat()
        body = await answer.json()
    assert answer.status == 502
    assert answer.headers["X-Codara-Task"] == "trn_1"
    assert answer.headers["x-should-retry"] == "false"
    request_id = answer.headers["X-Request-Id"]
    assert body["codara"] == {"cause": "crashed", "request_id": request_id}
    assert body["error"]["code"] == "agent_failed"


async def test_a_large_body_is_understood_as_well() -> None:
    turns = FakeTurns()
    async with opened(services(turns=turns)) as door:
        answer = await door.chat(a_request(messages=[{"role": "user", "content": "x" * 90_000}]))
    assert (answer.status, len(turns.asked[0].messages[0].text)) == (200, 90_000)


def official(url: str, *, key: str = KEY) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=10)


async def test_the_official_client_keeps_our_fields() -> None:
    async with opened(services()) as door, official(door.url) as client:
        answer = await client.chat.completions.create(
            model="codex/gpt-5-codex",
            messages=[{"role": "user", "content": "Hi"}],
            extra_body={"workspace_id": "w"},
        )
    assert answer.choices[0].message.content == "Hello world"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 10
    assert answer.model_extra is not None
    assert answer.model_extra["modified_files"] == ["a\\xff.txt", "b.txt"]
    assert answer.model_extra["codara"]["session_id"] == "ses_1"
    assert answer._request_id == "req_1"


@pytest.mark.parametrize(
    ("refused", "named"),
    [
        (InvalidRequest("no", param="model"), openai.BadRequestError),
        (WorkspaceAccessDenied("no"), openai.PermissionDeniedError),
        (NotFound("no"), openai.NotFoundError),
        (ModelNotFound("no", param="model"), openai.NotFoundError),
        (SessionBusy("no"), openai.ConflictError),
        (AllAccountsCooling("no", retry_after=7.2), openai.RateLimitError),
        (AgentFailed("no", cause="crashed"), openai.InternalServerError),
        (StorageFull("no"), openai.InternalServerError),
    ],
)
async def test_the_official_client_raises_what_it_is_named_for(
    refused: CodaraError, named: type[openai.APIStatusError]
) -> None:
    turns = FakeTurns(turn=ScriptedTurn(refused=refused))
    async with opened(services(turns=turns)) as door, official(door.url) as client:
        with pytest.raises(named) as raised:
            await client.chat.completions.create(
                model="codex/gpt-5-codex", messages=[{"role": "user", "content": "Hi"}]
            )
    assert (raised.value.code, raised.value.param) == (refused.code, refused.param)
    assert raised.value.response.headers.get("Retry-After") == (
        "8" if refused.retry_after else None
    )


async def test_the_official_client_names_a_wrong_key() -> None:
    async with opened(services()) as door, official(door.url, key="uagk_live_bad") as client:
        with pytest.raises(openai.AuthenticationError) as raised:
            await client.models.list()
    assert raised.value.code == "invalid_api_key"


async def test_the_official_client_does_not_retry_a_busy_session() -> None:
    turns = FakeTurns(refused=SessionBusy("Another turn of this session runs."))
    async with opened(services(turns=turns)) as door:
        client = AsyncOpenAI(base_url=f"{door.url}/v1", api_key=KEY, timeout=10)
        with pytest.raises(openai.ConflictError):
            await client.chat.completions.create(
                model="codex/gpt-5-codex", messages=[{"role": "user", "content": "Hi"}]
            )
        await client.close()
    assert len(turns.asked) == 1
