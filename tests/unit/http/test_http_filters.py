"""Filters and fields that there are not: refused with those that there are, on both planes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from management_setup import Plane, plane

from codara.events import streams
from codara.projections.audit import TARGETS

OF_USERS = ("sessions", "tasks", "workspaces", "requests", "providers/models", "keys", "usage")
OF_OPERATORS = ("users", "accounts", "sessions", "tasks", "workspaces", "audit", "requests")


@pytest.fixture
async def op(tmp_path: Path) -> AsyncIterator[Plane]:
    async with plane(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("path", OF_OPERATORS)
async def test_a_filter_that_operators_do_not_have_is_refused(op: Plane, path: str) -> None:
    refused = await op.ask("GET", f"/management/v1/{path}?outcome=waiting&bogus=1")
    assert (refused.status, refused.code) == (400, "invalid_request")
    wrong = "bogus" if path == "requests" else "outcome"
    assert refused.param == wrong
    assert "there are " in refused.body["error"]["message"]


@pytest.mark.parametrize("path", OF_USERS)
async def test_a_filter_that_users_do_not_have_is_refused(op: Plane, path: str) -> None:
    key = (await op.user())["api_key"]["raw_key"]
    refused = await op.ask("GET", f"/v1/user/{path}?bogus=1", token=key)
    assert (refused.status, refused.param) == (400, "bogus")


@pytest.mark.parametrize(
    ("path", "name", "known"),
    [
        ("users", "status", "active, suspended, deleted"),
        ("users", "role", "user, admin"),
        ("accounts", "status", "ready, cooldown"),
        ("accounts", "provider", "codex, gemini, opencode, claude"),
        ("sessions", "status", "idle, active, dirty, expired"),
        ("sessions", "provider", "codex, gemini, opencode, claude"),
        ("tasks", "status", "pending, running, completed, failed, cancelled"),
        ("tasks", "provider", "codex, gemini, opencode, claude"),
        ("audit", "target_type", "account, gateway"),
        ("requests", "outcome", "waiting"),
    ],
)
async def test_a_value_that_does_not_exist_is_refused_with_those_that_do(
    op: Plane, path: str, name: str, known: str
) -> None:
    refused = await op.ask("GET", f"/management/v1/{path}?{name}=bogus")
    assert (refused.status, refused.code, refused.param) == (400, "invalid_request", name)
    assert known in refused.body["error"]["message"]


async def test_a_filter_that_says_nothing_filters_nothing(op: Plane) -> None:
    assert (await op.ask("GET", "/management/v1/users?status=&role=")).status == 200


async def test_a_command_refuses_fields_that_it_does_not_have(op: Plane) -> None:
    user = (await op.user())["user_id"]
    for method, path, body in (
        ("PATCH", "", {"email": "new@example.org"}),
        ("POST", "/suspend", {"reason": "because"}),
        ("POST", "/keys", {"lable": "laptop"}),
    ):
        refused = await op.ask(method, f"/management/v1/users/{user}{path}", body)
        assert (refused.status, refused.param) == (400, next(iter(body)))
    assert (await op.ask("GET", f"/management/v1/users/{user}")).data["status"] == "active"
    assert (await op.ask("POST", f"/management/v1/users/{user}/suspend", {})).status == 200


async def test_a_deleted_user_has_no_key_that_works(op: Plane) -> None:
    user = await op.user()
    deleted = await op.ask("DELETE", f"/management/v1/users/{user['user_id']}")
    assert (deleted.data["status"], deleted.data["active_keys"]) == ("deleted", 0)
    assert [key["status"] for key in deleted.data["api_keys"]] == ["revoked"]
    listed = await op.ask("GET", "/management/v1/users?status=deleted")
    assert [each["active_keys"] for each in listed.data] == [0]


def test_every_kind_of_stream_is_a_target_that_can_be_asked_for() -> None:
    kinds = {name for name, value in vars(streams).items() if callable(value)}
    assert {*kinds - {"quota"}, "gateway", "log", "task"} == set(TARGETS)
