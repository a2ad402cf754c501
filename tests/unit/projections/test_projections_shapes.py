"""What clients get to see of each row: its fields, their order, and how values are written."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import attrs
import orjson
import pytest
from read_model_setup import (
    ACCOUNT,
    KEY,
    PLACE,
    SESSION,
    USER,
    World,
    completed,
    failed,
    requested,
    started,
)

from codara.events import streams
from codara.events.session import Picture
from codara.http.encoding import shown
from tests import event_examples

TRACE = "trc_1"
PICTURE = Picture(media_type="image/png", payload=event_examples.PAYLOAD)
LATER = event_examples.SOON + timedelta(minutes=1)


def text(row: object) -> str:
    written = orjson.dumps(shown(row), option=orjson.OPT_INDENT_2).decode()
    return f"\n{written}\n"


async def history(world: World, *facts: Any) -> None:
    """Each fact a second after the one before, so that no two times are the same."""
    for fact in facts:
        world.clock.move(seconds=1)
        await world.happen(fact)


@pytest.fixture
async def world(world: World) -> World:
    """A user with a key, an account that cools down, and four turns: one runs still."""
    await history(
        world,
        {USER: [event_examples.user_provisioned()]},
        {USER: [event_examples.user_updated()]},
        {KEY: [event_examples.key_issued(until=LATER)]},
        {ACCOUNT: [event_examples.account_registered(), event_examples.credential_stored()]},
        {streams.token(event_examples.ACCOUNT): [event_examples.token_refreshed()]},
        {streams.quota(event_examples.ACCOUNT): [event_examples.quota_observed()]},
        {ACCOUNT: [event_examples.health_changed(until=LATER)]},
        PLACE,
        requested(),
        started(),
        completed(),
        requested("trn_2", images=(PICTURE,)),
        started("trn_2"),
        failed("trn_2", detail="401 for Ada's key at http://127.0.0.1:8377"),
        requested("trn_3"),
        {SESSION: [event_examples.turn_cancelled(turn_id="trn_3")]},
        requested("trn_4"),
        started("trn_4"),
    )
    return world


IN_EVERY_TASK = """
{
  "task_id": "trn_1",
  "session_id": "ses_1",
  "workspace_id": "wsp_1",
  "user_id": "usr_1",
  "request_id": "req_1",
  "trace_id": "trc_1",
  "provider": "codex",
  "model": "gpt-5-codex",
  "account_id": "acc_1",
  "status": "completed",
  "dirty": false,
  "code": null,
  "cause": null,
  "thread": "new",
  "backend_id": "backend-1",
  "jailed": true,
  "tool_ran": true,
  "created_at": "2026-03-01T12:00:09.000000+00:00",
  "started_at": "2026-03-01T12:00:10.000000+00:00",
  "ended_at": "2026-03-01T12:00:11.000000+00:00",
  "usage": {
    "input": 120,
    "cached": 20,
    "cache_write": 5,
    "output": 40,
    "reasoning": 10,
    "raw": {
      "input_tokens": 120
    }
  },
  "timings": {
    "queue": 1.5,
    "agent": 120.25
  },
  "baseline": "1111111111111111111111111111111111111111",
  "final": "2222222222222222222222222222222222222222",
  "changed": 1,
  "added_lines": 3,
  "deleted_lines": 1,
  "diff_truncated": false,
  "partial": [],
  "position": 17,
  "cost": null,
  "modified_files": [
    "src/größe.py"
  ],
  "modified_files_b64": [],
"""
"""How a task begins, alone or in a list."""

TASK = (
    IN_EVERY_TASK
    + r"""  "diff": "--- a/Ada\n+++ b/Ada\n",
  "actions": [],
  "prompt": "Fix Ada's engine",
  "instructions": "Ada wants it brief",
  "images": [],
  "manual": false,
  "files": [
    {
      "path": "src/größe.py",
      "status": "modified",
      "old_path": null,
      "path_b64": null,
      "old_path_b64": null,
      "added": 3,
      "deleted": 1,
      "binary": false,
      "encoding": null
    }
  ],
  "diff_b64": null,
  "answer": "Ada's engine is fixed",
  "text_replaced": false,
  "finish_reason": "stop",
  "message": null,
  "retry_after": null,
  "detail": null
}
"""
)


LISTED_TASK = (
    IN_EVERY_TASK
    + """  "diff": null,
  "actions": null
}
"""
)


RUNNING_TASK = """
{
  "task_id": "trn_4",
  "session_id": "ses_1",
  "workspace_id": "wsp_1",
  "user_id": "usr_1",
  "request_id": "req_1",
  "trace_id": "trc_1",
  "provider": "codex",
  "model": "gpt-5-codex",
  "account_id": "acc_1",
  "status": "running",
  "dirty": false,
  "code": null,
  "cause": null,
  "thread": "new",
  "backend_id": null,
  "jailed": true,
  "tool_ran": null,
  "created_at": "2026-03-01T12:00:17.000000+00:00",
  "started_at": "2026-03-01T12:00:18.000000+00:00",
  "ended_at": null,
  "usage": null,
  "timings": {},
  "baseline": "1111111111111111111111111111111111111111",
  "final": null,
  "changed": null,
  "added_lines": null,
  "deleted_lines": null,
  "diff_truncated": null,
  "partial": [],
  "position": 31,
  "cost": null,
  "modified_files": null,
  "modified_files_b64": null,
  "diff": null,
  "actions": null,
  "prompt": "Fix Ada's engine",
  "instructions": "Ada wants it brief",
  "images": [],
  "manual": false
}
"""


A_SESSION = """
{
  "session_id": "ses_1",
  "client_session_id": "Ada's conversation",
  "origin": "named",
  "user_id": "usr_1",
  "workspace_id": "wsp_1",
  "workspace": "Ada's notes",
  "provider": "codex",
  "status": "active",
  "backend_id": "backend-1",
  "dirty": false,
  "turns": 4,
  "created_at": "2026-03-01T12:00:09.000000+00:00",
  "updated_at": "2026-03-01T12:00:18.000000+00:00",
  "expires_at": "2026-03-01T13:00:00.000000+00:00",
  "last_task_id": "trn_4",
  "position": 31
}
"""


A_WORKSPACE = """
{
  "workspace_id": "wsp_1",
  "label": "Ada's notes",
  "user_id": "usr_1",
  "locked_by": "trn_4",
  "locked_until": "2026-03-01T13:00:00.000000+00:00",
  "turns": 2,
  "sessions": 1,
  "last_session_id": "ses_1",
  "tree": "2222222222222222222222222222222222222222",
  "last_diff": {
    "task_id": "trn_2",
    "at": "2026-03-01T12:00:14.000000+00:00",
    "changed": 1,
    "added_lines": 3,
    "deleted_lines": 1,
    "partial": []
  },
  "created_at": "2026-03-01T12:00:08.000000+00:00",
  "updated_at": "2026-03-01T12:00:18.000000+00:00",
  "position": 32,
  "name": "Ada's notes",
  "path": "/srv/Ada/notes"
}
"""


AN_ACCOUNT = """
{
  "account_id": "acc_1",
  "provider": "codex",
  "auth_type": "API_KEY",
  "label": "Ada's account",
  "status": "cooldown",
  "cause": "rate_limited",
  "until": "2026-03-01T13:01:00.000000+00:00",
  "evidence": "429 from Ada's provider",
  "cli_primary": false,
  "fingerprint": "fedcba9876543210",
  "refreshed_at": "2026-03-01T12:00:05.000000+00:00",
  "token_expires_at": "2026-03-01T13:00:00.000000+00:00",
  "windows": [
    {
      "name": "5h",
      "used_percent": 12.5,
      "minutes": 300,
      "resets_at": "2026-03-01T13:00:00+00:00"
    }
  ],
  "quota_source": "headers",
  "quota_at": "2026-03-01T12:00:06.000000+00:00",
  "last_used_at": "2026-03-01T12:00:18.000000+00:00",
  "turns": 3,
  "created_at": "2026-03-01T12:00:04.000000+00:00",
  "updated_at": "2026-03-01T12:00:07.000000+00:00",
  "position": 31,
  "headroom": 87.5
}
"""


A_USER = """
{
  "user_id": "usr_1",
  "email": "ada@example.org",
  "display_name": "Ada King",
  "status": "active",
  "role": "user",
  "max_concurrency": 8,
  "active_keys": 1,
  "created_at": "2026-03-01T12:00:01.000000+00:00",
  "created_by": "user:usr_1",
  "updated_at": "2026-03-01T12:00:02.000000+00:00",
  "position": 3,
  "api_keys": [
    {
      "key_id": "key_1",
      "user_id": "usr_1",
      "label": "Ada's laptop",
      "status": "active",
      "created_at": "2026-03-01T12:00:03.000000+00:00",
      "expires_at": "2026-03-01T13:01:00.000000+00:00",
      "revoked_at": null,
      "position": 4
    }
  ]
}
"""


AN_ENTRY = """
{
  "position": 9,
  "event_id": "evt_1",
  "at": "2026-03-01T12:00:07.000000+00:00",
  "actor": "user:usr_1",
  "action": "account.health_changed",
  "target_type": "account",
  "target_id": "acc_1",
  "task_id": null,
  "correlation_id": "trc_1",
  "causation_id": "evt_0",
  "details": {
    "account_id": "acc_1",
    "before": "ready",
    "after": "cooldown",
    "cause": "rate_limited",
    "until": "2026-03-01T13:01:00+00:00"
  },
  "user_id": null,
  "session_id": null,
  "workspace_id": null,
  "account_id": "acc_1",
  "request_id": null
}
"""


SPANS = """
[
  {
    "span_id": "0e6fe89ec8916fb0",
    "parent_span_id": null,
    "name": "turn",
    "start": "2026-03-01T12:00:09.000000+00:00",
    "end": "2026-03-01T12:00:11.000000+00:00",
    "attributes": {
      "task_id": "trn_1",
      "session_id": "ses_1",
      "workspace_id": "wsp_1",
      "user_id": "usr_1",
      "provider": "codex",
      "model": "gpt-5-codex",
      "status": "completed",
      "cause": null,
      "accounts": [
        "acc_1"
      ],
      "deeds_left_out": 0,
      "erased": false
    }
  },
  {
    "span_id": "b73c31af4f7ac4dc",
    "parent_span_id": "0e6fe89ec8916fb0",
    "name": "queue",
    "start": "2026-03-01T12:00:09.000000+00:00",
    "end": "2026-03-01T12:00:09.001500+00:00",
    "attributes": {}
  }
]
"""


async def test_a_task(world: World) -> None:
    assert text(await world.views.tasks.get(event_examples.TURN)) == TASK


async def test_a_listed_task_has_no_texts(world: World) -> None:
    assert text((await world.views.tasks.list()).items[-1]) == LISTED_TASK


async def test_a_task_that_failed_has_the_same_fields(world: World) -> None:
    task = shown(await world.views.tasks.get("trn_2"))
    assert list(task) == list(orjson.loads(TASK))
    assert (task["code"], task["cause"], task["finish_reason"]) == ("agent_failed", "crashed", None)
    assert (task["message"], task["retry_after"]) == ("the agent lost Ada's file", 1.5)
    assert task["detail"] == "401 for Ada's key at http://127.0.0.1:8377"
    assert task["images"] == ["image/png"]


async def test_the_user_of_a_task_sees_all_of_it_but_the_words_of_agent_and_vendor(
    world: World,
) -> None:
    task = await world.views.tasks.get("trn_2")
    assert task is not None
    seen = {name: value for name, value in shown(task).items() if name != "detail"}
    assert shown(task.own()) == seen


async def test_a_task_that_runs_has_neither_files_nor_an_end(world: World) -> None:
    assert text(await world.views.tasks.get("trn_4")) == RUNNING_TASK


async def test_a_task_that_was_cancelled_before_it_started_has_an_end_and_no_files(
    world: World,
) -> None:
    task = shown(await world.views.tasks.get("trn_3"))
    assert list(task)[-11:] == [
        *("actions", "prompt", "instructions", "images", "manual"),
        *("answer", "text_replaced", "finish_reason", "message", "retry_after", "detail"),
    ]
    assert (task["answer"], task["cause"]) == ("Ada, I had begun", "requested")


async def test_a_session(world: World) -> None:
    assert text(await world.views.sessions.get(event_examples.SESSION)) == A_SESSION


async def test_a_workspace(world: World) -> None:
    assert text(await world.views.workspaces.get(event_examples.WORKSPACE)) == A_WORKSPACE


async def test_an_account(world: World) -> None:
    assert text(await world.views.accounts.get(event_examples.ACCOUNT)) == AN_ACCOUNT


async def test_a_user_with_their_keys(world: World) -> None:
    assert text(await world.views.users.get(event_examples.USER)) == A_USER


async def test_a_listed_user_has_no_keys(world: World) -> None:
    (user,) = (await world.views.users.list()).items
    known = orjson.loads(A_USER)
    del known["api_keys"]
    assert list(shown(user).items()) == list(known.items())


async def test_an_entry_of_the_trail(world: World) -> None:
    (entry,) = (await world.views.audit.list(action="account.health_changed")).items
    assert text(entry).replace(entry.event_id, "evt_1") == AN_ENTRY


async def test_a_trace(world: World) -> None:
    trace = shown(await world.views.traces.get(TRACE))
    assert list(trace) == ["trace_id", "spans", "turns_left_out"]
    assert (trace["trace_id"], len(trace["spans"]), trace["turns_left_out"]) == (TRACE, 9, 0)
    assert text(trace["spans"][:2]) == SPANS


ASKED: dict[str, Callable[[World], Awaitable[Any]]] = {
    "a session": lambda world: world.views.sessions.get(event_examples.SESSION),
    "a task": lambda world: world.views.tasks.get(event_examples.TURN),
    "a workspace": lambda world: world.views.workspaces.get(event_examples.WORKSPACE),
    "an account": lambda world: world.views.accounts.get(event_examples.ACCOUNT),
    "a user": lambda world: world.views.users.get(event_examples.USER),
    "a trace": lambda world: world.views.traces.get(TRACE),
}


@pytest.mark.parametrize("asked", ASKED)
async def test_one_thing_is_a_value_of_a_frozen_class(world: World, asked: str) -> None:
    assert is_frozen(await ASKED[asked](world))


@pytest.mark.parametrize("name", ["sessions", "tasks", "workspaces", "accounts", "users", "audit"])
async def test_a_listing_is_of_values_of_a_frozen_class(world: World, name: str) -> None:
    page = await getattr(world.views, name).list()
    assert page.items
    assert all(is_frozen(item) for item in page.items)


def is_frozen(row: Any) -> bool:
    first = attrs.fields(type(row))[0].name
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(row, first, "another")
    return True
