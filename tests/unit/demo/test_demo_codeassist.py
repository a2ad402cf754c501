import pytest
from aiohttp import ClientSession

from codara.demo.modelserver import ModelServer


@pytest.fixture
async def call(aiohttp_server):
    server = await aiohttp_server(ModelServer().application())

    async def called(method, body, token="a"):
        url = f"http://127.0.0.1:{server.port}/v1internal:{method}"
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            ClientSession(headers=headers) as session,
            session.post(url, json=body) as answer,
        ):
            is_json = answer.content_type == "application/json"
            return answer.status, await (answer.json() if is_json else answer.text())

    return called


def asking(project):
    request = {"contents": [{"role": "user", "parts": [{"text": "[[text:Done]]"}]}]}
    return {"model": "gemini-2.5-pro", "project": project, "request": request}


async def test_a_login_has_a_project_and_speaks_in_wrapped_answers(call):
    _, loaded = await call("loadCodeAssist", {})
    status, said = await call("streamGenerateContent", asking(loaded["cloudaicompanionProject"]))
    assert status == 200
    assert said.startswith('data: {"response": {"candidates": [')


async def test_the_project_of_another_login_is_refused(call):
    _, loaded = await call("loadCodeAssist", {}, token="another")
    status, refused = await call("streamGenerateContent", asking(loaded["cloudaicompanionProject"]))
    assert (status, refused["error"]["status"]) == (403, "PERMISSION_DENIED")


async def test_what_is_left_of_the_quota_is_told(call):
    _, told = await call("retrieveUserQuota", {})
    assert told["buckets"][0]["remainingFraction"] == 0.75
