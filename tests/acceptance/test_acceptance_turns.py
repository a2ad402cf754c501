"""The official client against the real gateway, the real CLI and the real jail."""

import base64
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway_process import ACCOUNT, SECRET, Gateway, gateway

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]

EDIT = "Please [[write:hello.txt=hello]] and [[text:Done.]]"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path) as opened:
        yield opened


async def test_an_answer_carries_text_files_diff_and_usage(house: Gateway) -> None:
    client = house.openai()
    done = await client.chat.completions.create(
        model="codex/gpt-5-codex", messages=[{"role": "user", "content": EDIT}]
    )
    await client.close()
    ours = done.model_extra or {}
    assert done.choices[0].finish_reason == "stop"
    assert "Done." in (done.choices[0].message.content or "")
    assert ours["modified_files"] == ["hello.txt"]
    assert "+hello" in ours["diff"]
    assert [action["path"] for action in ours["actions"]] == ["hello.txt"]
    assert (ours["codara"]["thread"], ours["codara"]["jailed"], ours["dirty"]) == (
        "new",
        True,
        False,
    )
    assert done.usage is not None and done.usage.prompt_tokens > 0


async def test_a_trace_tells_the_operator_what_the_agent_did(house: Gateway) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    given = {"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}
    reply = await house.chat(EDIT, headers=given)
    trace = (await house.operator("GET", f"/traces/{trace_id}")).data
    root, *children = trace["spans"]
    assert root["attributes"]["task_id"] == reply.body["codara"]["task_id"]
    assert root["attributes"]["accounts"] == [ACCOUNT]
    assert {"queue", "start", "agent", "finish"} < {child["name"] for child in children}
    (tool,) = [child for child in children if child["name"] == "tool"]
    assert "hello.txt" in tool["attributes"]["title"]
    assert tool["attributes"]["ok"] is True
    assert root["start"] < tool["start"] < tool["end"] < root["end"]


async def test_a_stream_brings_deltas_then_our_fields_then_usage(house: Gateway) -> None:
    client = house.openai()
    stream = await client.chat.completions.create(
        model="codex/gpt-5-codex",
        messages=[{"role": "user", "content": "[[slow:5]] [[write:b.txt=b]]"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    await client.close()
    texts = [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content]
    vendor = [chunk.model_extra for chunk in chunks if chunk.model_extra]
    assert len(texts) >= 2
    assert [fields["modified_files"] for fields in vendor if fields] == [["b.txt"]]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None


async def test_a_byte_and_the_characters_that_show_it_are_told_apart(
    house: Gateway, tmp_path: Path
) -> None:
    made = r"[[shell:printf 'caf\351 x\n' > new.txt; printf 'lit \134xe9\n' > lit.txt]] [[text:ok]]"
    body = (await house.chat(made)).body
    assert [file["encoding"] for file in body["codara"]["files"]] == ["utf-8", "other"]
    assert [action["exact"] for action in body["actions"]] == [True, False]
    patch = base64.b64decode(body["diff_b64"])
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=patch, check=True)
    assert (tmp_path / "new.txt").read_bytes() == b"caf\xe9 x\n"
    assert (tmp_path / "lit.txt").read_bytes() == b"lit \\xe9\n"
    task_id = body["codara"]["task_id"]
    for task in (
        await house.user("GET", f"/v1/user/tasks/{task_id}"),
        await house.operator("GET", f"/tasks/{task_id}"),
    ):
        assert task.data["diff_b64"] == body["diff_b64"]
        assert task.data["actions"] == body["actions"]
        assert [file["encoding"] for file in task.data["files"]] == ["utf-8", "other"]


async def test_the_second_turn_resumes_the_thread_also_after_a_restart(house: Gateway) -> None:
    first = await house.chat("[[text:one]]")
    second = await house.chat("[[history]]")
    await house.stop()
    await house.start()
    third = await house.chat("again [[history]]")
    threads = [reply.body["codara"] for reply in (first, second, third)]
    assert [each["thread"] for each in threads] == ["new", "resumed", "resumed"]
    assert len({each["backend_id"] for each in threads}) == 1
    assert "[[text:one]]" in third.body["choices"][0]["message"]["content"]


async def test_the_real_key_never_enters_the_jail(house: Gateway) -> None:
    look = "env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'; grep -r . ~/.codex 2>/dev/null"
    reply = await house.chat(f"[[shell:{look}]] [[text:looked]]")
    assert reply.status == 200
    assert {seen.authorization for seen in house.models.requests} == {f"Bearer {SECRET}"}
    task = await house.operator("GET", f"/tasks/{reply.body['codara']['task_id']}")
    assert SECRET not in json.dumps(task.body)
    homes = house.data_dir / "homes"
    found = [path for path in homes.rglob("*") if path.is_file() and SECRET in _text(path)]
    assert found == []


def _text(path: Path) -> str:
    return path.read_text(errors="replace")


async def test_views_can_be_deleted_and_every_listing_is_the_same(house: Gateway) -> None:
    await house.chat(EDIT)
    await house.chat("[[fail:500]]", client_session_id="b")
    before = await _listings(house)
    await house.stop()
    shutil.rmtree(house.data_dir / "views")
    await house.start()
    assert await _listings(house) == before


async def _listings(house: Gateway) -> dict[str, str]:
    kinds = ("sessions", "tasks", "workspaces", "users", "accounts")
    replies = {kind: await house.operator("GET", f"/{kind}") for kind in kinds}
    replies["audit"] = await house.operator("GET", "/audit?actor=user&limit=200")
    return {kind: json.dumps(reply.data) for kind, reply in replies.items()}


async def test_two_users_work_at_the_same_time_and_see_only_their_own(house: Gateway) -> None:
    made = await house.operator("POST", "/users", {"email": "bob@example.org"})
    ada = await house.chat("[[write:ada.txt=1]]")
    own_key, house.key = house.key, made.data["api_key"]["raw_key"]
    bob = await house.chat("[[write:bob.txt=1]]")
    assert bob.body["modified_files"] == ["bob.txt"]
    foreign = await house.user("GET", f"/v1/user/sessions/{ada.body['codara']['session_id']}")
    assert foreign.status == 404
    house.key = own_key
    mine = await house.user("GET", "/v1/user/tasks")
    assert [task["task_id"] for task in mine.data] == [ada.body["codara"]["task_id"]]


async def test_manual_mode_changes_nothing_and_finds_the_actions_in_the_text(
    house: Gateway,
) -> None:
    patch = "```diff\n--- a/x.txt\n+++ b/x.txt\n@@ -0,0 +1 @@\n+x\n```"
    reply = await house.chat(f"[[write:no.txt=1]] [[text:{patch}]]", manual_mode=True)
    assert reply.body["diff"] == ""
    assert reply.body["modified_files"] == []
    assert [action["source"] for action in reply.body["actions"]] == ["text"]


async def test_an_operators_turn_runs_as_the_dashboard_admin(house: Gateway) -> None:
    passkey = (house.data_dir / "secrets" / "passkey").read_text()
    login = await house.call("POST", "/management/v1/auth/token", {"operator_secret": passkey})
    house.key = login.data["access_token"]
    reply = await house.chat("[[text:as an operator]]")
    assert reply.status == 200
    users = await house.operator("GET", "/users")
    admin = next(user for user in users.data if user["role"] == "admin")
    task = await house.operator("GET", f"/tasks/{reply.body['codara']['task_id']}")
    assert task.data["user_id"] == admin["user_id"]


async def test_without_a_jail_every_answer_says_so(tmp_path: Path) -> None:
    flags = ("--i-accept-unjailed",)
    async with gateway(tmp_path, settings='[jail]\nmode = "unsafe"', flags=flags) as house:
        reply = await house.chat("[[write:a.txt=1]] [[text:done]]")
        assert reply.body["modified_files"] == ["a.txt"]
        assert reply.body["codara"]["jailed"] is False
        task = await house.operator("GET", f"/tasks/{reply.body['codara']['task_id']}")
        assert task.data["jailed"] is False
        assert "unjailed" in house.output()
