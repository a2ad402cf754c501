"""Bad input gets a clear answer: a stable code, one line, and nothing half-done."""

import asyncio
import base64
import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.gateway_process import ROOT, Gateway, gateway

pytestmark = [
    pytest.mark.cli,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="module"),
]

HELLO = [{"role": "user", "content": "[[text:hi]]"}]
CHAT = "/v1/chat/completions"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    folder = tmp_path_factory.mktemp("refusals")
    async with gateway(folder) as opened:
        yield opened


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "codex/gpt-5-codex", "messages": HELLO, **fields}


@pytest.mark.parametrize(
    ("fields", "status", "code", "param"),
    [
        ({"messages": None}, 400, "invalid_request", "messages"),
        ({"messages": "hello"}, 400, "invalid_request", "messages"),
        ({"messages": []}, 400, "invalid_request", "messages"),
        ({"model": 7}, 400, "invalid_request", "model"),
        ({"stream": "yes"}, 400, "invalid_request", "stream"),
        ({"n": 2}, 400, "unsupported_parameter", "n"),
        ({"provider": "nobody"}, 400, "invalid_request", "provider"),
        ({"provider": "gemini"}, 400, "invalid_request", None),
        ({"workspace_id": "../up"}, 400, "invalid_request", "workspace_id"),
        ({"workspace_id": "/etc"}, 400, "invalid_request", "workspace_id"),
        ({"workspace_id": "a\u0007b"}, 400, "invalid_request", "workspace_id"),
        ({"client_session_id": "a::b"}, 400, "invalid_request", "client_session_id"),
        ({"client_session_id": "ses_00000000000000000000000000000000"}, 404, "not_found", None),
        ({"workspace_id": "wsp_00000000000000000000000000000000"}, 404, "not_found", None),
    ],
)
async def test_a_wrong_field_is_named(
    house: Gateway, fields: Mapping[str, Any], status: int, code: str, param: str | None
) -> None:
    reply = await house.user("POST", CHAT, body(**fields))
    assert (reply.status, reply.code) == (status, code)
    if param:
        assert reply.body["error"]["param"] == param


async def test_bad_json_is_an_invalid_request(house: Gateway) -> None:
    reply = await house.user("POST", CHAT, b"{not json")
    assert (reply.status, reply.code) == (400, "invalid_request")


@pytest.mark.parametrize("key", [None, "", "nonsense", "uagk_live_" + "x" * 32])
async def test_without_a_valid_key_nobody_gets_in(house: Gateway, key: str | None) -> None:
    reply = await house.call("POST", CHAT, body(), key)
    assert (reply.status, reply.code) == (401, "invalid_api_key")


async def test_the_passkey_itself_opens_nothing(house: Gateway) -> None:
    passkey = (house.data_dir / "secrets" / "passkey").read_text()
    for path in (CHAT, "/management/v1/users"):
        reply = await house.call("POST", path, body(), passkey)
        assert (reply.status, reply.code) == (401, "invalid_api_key")


async def test_a_key_revoked_a_moment_ago_is_refused(house: Gateway) -> None:
    made = await house.operator("POST", "/users", {"email": "eve@example.org"})
    key, user_id = made.data["api_key"], made.data["user_id"]
    reply = await house.call("GET", "/v1/user/me", None, key["raw_key"])
    assert reply.status == 200
    gone = await house.operator("DELETE", f"/users/{user_id}/keys/{key['key_id']}")
    assert gone.status == 200
    reply = await house.call("GET", "/v1/user/me", None, key["raw_key"])
    assert (reply.status, reply.code) == (401, "invalid_api_key")


async def test_a_body_that_is_too_large_is_refused(house: Gateway) -> None:
    reply = await house.user("POST", CHAT, b'{"model": "' + b"x" * (17 << 20) + b'"}')
    assert (reply.status, reply.code) == (413, "body_too_large")


async def test_an_unknown_route_and_a_wrong_method_answer_in_the_same_shape(
    house: Gateway,
) -> None:
    assert (await house.user("GET", "/v1/nothing")).code == "not_found"
    wrong = await house.user("GET", CHAT)
    assert (wrong.status, wrong.code) == (405, "method_not_allowed")


async def test_a_file_name_that_is_not_utf_8_is_reported(house: Gateway) -> None:
    made = "[[shell:printf x > $(printf 'caf\\351.txt')]] [[text:done]]"
    reply = await house.chat(made, workspace_id="latin")
    (changed,) = reply.body["codara"]["files"]
    assert changed["path"] == "caf\\xe9.txt"
    assert base64.b64decode(changed["path_b64"]) == b"caf\xe9.txt"


async def test_a_cancelled_task_says_so(house: Gateway) -> None:
    turn = asyncio.create_task(house.chat("[[shell:sleep 30]]", client_session_id="long"))
    task_id = await _running(house)
    reply = await house.user("POST", f"/v1/user/tasks/{task_id}/cancel")
    assert reply.status == 202
    assert (await turn).code == "task_cancelled"
    task = await house.user("GET", f"/v1/user/tasks/{task_id}")
    assert task.data["status"] == "cancelled"


async def _running(house: Gateway) -> str:
    async with asyncio.timeout(60):
        while True:
            tasks = await house.user("GET", "/v1/user/tasks?status=running")
            if tasks.data:
                return str(tasks.data[0]["task_id"])
            await asyncio.sleep(0.02)


async def started_wrongly(folder: Path, config: str, **environ: str) -> tuple[int, str]:
    """Exit code and everything printed by a `codara serve` that cannot start."""
    path = folder / "wrong.toml"
    path.write_text(config)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "codara", "serve", "--config", str(path)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **environ},
    )
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


def one_line(said: str) -> str:
    """The only line there is."""
    assert "Traceback" not in said
    (line,) = said.strip().splitlines()
    return line


async def test_an_unknown_config_key_is_named_with_its_line(tmp_path: Path) -> None:
    config = f'[server]\ndata_dir = "{tmp_path}/data"\nportt = 1\n'
    status, said = await started_wrongly(tmp_path, config)
    assert status == 1
    assert "portt" in one_line(said)
    assert "3" in one_line(said)


async def test_a_master_key_of_the_wrong_length_is_refused(tmp_path: Path) -> None:
    config = f'[server]\nport = 0\ndata_dir = "{tmp_path}/data"\n'
    short = base64.b64encode(b"short").decode()
    status, said = await started_wrongly(tmp_path, config, CODARA_MASTER_KEY=short)
    assert status == 1
    assert "32" in one_line(said)
    assert not (tmp_path / "data").exists()


async def test_a_port_in_use_is_said_in_one_line(house: Gateway, tmp_path: Path) -> None:
    port = house.address.rpartition(":")[2]
    config = f'[server]\nport = {port}\ndata_dir = "{tmp_path}/data"\n'
    status, said = await started_wrongly(tmp_path, config)
    assert status == 1
    assert port in one_line(said)
    assert not (tmp_path / "data").exists()


async def test_a_data_folder_of_another_gateway_is_left_alone(
    house: Gateway, tmp_path: Path
) -> None:
    config = f'[server]\nport = 0\ndata_dir = "{house.data_dir}"\n'
    status, said = await started_wrongly(tmp_path, config)
    assert status == 1
    assert "lock" in one_line(said).lower() or "gateway" in one_line(said)
    assert (await house.user("GET", "/v1/user/me")).status == 200


async def test_unsafe_needs_the_flag_too(tmp_path: Path) -> None:
    config = f'[server]\nport = 0\ndata_dir = "{tmp_path}/data"\n[jail]\nmode = "unsafe"\n'
    status, said = await started_wrongly(tmp_path, config)
    assert status == 1
    assert "--i-accept-unjailed" in one_line(said)


@pytest.mark.parametrize("kind", ["missing", "not executable"])
async def test_a_cli_that_cannot_run_is_a_clear_failure(tmp_path: Path, kind: str) -> None:
    binary = tmp_path / "codex"
    if kind == "not executable":
        binary.write_text("#!/bin/sh\n")
    async with gateway(tmp_path, binary=binary) as house:
        reply = await house.chat("hello")
        assert (reply.status, reply.code) == (503, "agent_missing")
        assert reply.headers["x-should-retry"] == "false"
        assert "codex agent is not installed here" in reply.body["error"]["message"]
        assert str(binary) not in str(reply.body)
        assert (await house.operator("GET", "/tasks")).data == []
        assert (await house.operator("GET", "/sessions?all=true")).data == []


async def test_a_full_disk_stops_writes_and_lets_reads_go_on(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = await _run("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(small))
    if mounted:
        pytest.fail("this test needs to mount a small tmpfs; run it as root")
    try:
        async with gateway(small) as house:
            assert (await house.chat("[[text:before]]")).status == 200
            ballast = small / "ballast"
            _fill(ballast)
            refused = await house.chat("[[text:full]]")
            assert (refused.status, refused.code) == (503, "storage_full")
            assert (await house.user("GET", "/v1/user/tasks")).status == 200
            ready = await house.call("GET", "/readyz")
            assert ready.status == 503
            assert ready.body["reasons"]
            ballast.unlink()
            async with asyncio.timeout(30):
                while (await house.call("GET", "/readyz")).status != 200:
                    await asyncio.sleep(0.1)
            assert (await house.chat("[[text:after]]")).status == 200
    finally:
        await _run("umount", str(small))


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return


async def _run(*words: str) -> int:
    process = await asyncio.create_subprocess_exec(*words)
    return await process.wait()


@pytest.mark.parametrize(
    ("marker", "status", "code", "param"),
    [
        ("[[fail:nomodel]]", 404, "model_not_found", "model"),
        ("[[fail:context]]", 400, "context_length_exceeded", None),
        ("[[fail:drop]]", 502, "agent_failed", None),
    ],
)
async def test_what_the_model_refuses_has_its_own_code(
    house: Gateway, marker: str, status: int, code: str, param: str | None
) -> None:
    reply = await house.chat(f"x {marker}", client_session_id=f"refused-{code}")
    assert (reply.status, reply.code) == (status, code)
    assert reply.body["error"]["param"] == param


async def test_a_stream_that_fails_half_way_ends_with_an_error_frame(house: Gateway) -> None:
    body = {
        "model": "codex/gpt-5-codex",
        "messages": [{"role": "user", "content": "[[text:half]] [[fail:drop]]"}],
        "client_session_id": "half",
        "stream": True,
    }
    headers = {"Authorization": f"Bearer {house.key}"}
    async with house.http.post(house.address + CHAT, json=body, headers=headers) as response:
        said = (await response.read()).decode()
    assert response.status == 200
    assert '"error"' in said.strip().rsplit("\n\n", 1)[-1]
    assert "[DONE]" not in said
    assert '"finish_reason":"stop"' not in said
