import pytest
from management_setup import plane

from codara.events import streams
from codara.http.app import ROUTES
from codara.http.planes import USER
from tests.event_examples import (
    END,
    USAGE,
    session_opened,
    turn_completed,
    turn_requested,
    workspace_provisioned,
)

GUARDED = [(route.method, route.path) for route in ROUTES if route.guard is USER]


@pytest.fixture
async def op(tmp_path):
    async with plane(tmp_path) as opened:
        yield opened


@pytest.fixture
async def ann(op):
    """Ann's data, with `ask` bound to her key."""
    made = await op.user("ann@example.org", display_name="Ann")
    return Ann(op, made)


class Ann:
    def __init__(self, op, made):
        self.op = op
        self.user_id = made["user_id"]
        self.key = made["api_key"]

    async def ask(self, method, path, body=None, **more):
        return await self.op.ask(
            method, f"/v1/user/{path}", body, token=self.key["raw_key"], **more
        )


async def a_session_of(op, user_id, mark):
    ids = {"session_id": f"ses_{mark}", "workspace_id": f"wsp_{mark}", "user_id": user_id}
    turn = {"turn_id": f"trn_{mark}", "session_id": ids["session_id"], "user_id": user_id}
    await op.happened(
        streams.workspace(ids["workspace_id"]),
        [workspace_provisioned(workspace_id=ids["workspace_id"], user_id=user_id)],
    )
    await op.happened(
        streams.session(ids["session_id"]),
        [
            session_opened(**ids),
            turn_requested(**ids, turn_id=turn["turn_id"]),
            turn_completed(**turn),
        ],
    )
    op.sessions.whose[ids["session_id"]] = user_id
    op.turns.whose[turn["turn_id"]] = user_id


async def test_a_user_sees_themselves_and_the_key_that_asks(ann):
    me = await ann.ask("GET", "me")
    assert me.status == 200
    assert me.data["user_id"] == ann.user_id
    assert me.data["email"] == "ann@example.org"
    assert me.data["key_id"] == ann.key["key_id"]


@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_every_route_is_for_users_keys_alone(op, method, path):
    for token in ("", "nonsense", "uagk_live_" + "x" * 32, op.token):
        answer = await op.ask(method, path.replace("{", "").replace("}", ""), token=token)
        assert (answer.status, answer.code) == (401, "invalid_api_key")


async def test_a_key_revoked_a_moment_ago_opens_nothing(ann):
    second = (await ann.ask("POST", "keys", {"label": "ci"})).data
    assert (await ann.ask("DELETE", f"keys/{second['key_id']}")).status == 200
    answer = await ann.op.ask("GET", "/v1/user/me", token=second["raw_key"])
    assert (answer.status, answer.code) == (401, "invalid_api_key")
    assert [key["status"] for key in (await ann.ask("GET", "keys")).data] == ["revoked", "active"]


async def test_a_key_that_asks_for_its_rotation_is_replaced(ann):
    fresh = await ann.ask("POST", "keys", {"rotate": True})
    assert fresh.status == 201
    assert (await ann.ask("GET", "me")).status == 401
    assert (await ann.op.ask("GET", "/v1/user/me", token=fresh.data["raw_key"])).status == 200


async def test_a_suspended_user_is_told_so(op, ann):
    await op.ask("POST", f"/management/v1/users/{ann.user_id}/suspend")
    answer = await ann.ask("GET", "me")
    assert (answer.status, answer.code) == (403, "user_suspended")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"label": 7}, "label"),
        ({"label": "a\nb"}, "label"),
        ({"expires_at": "never"}, "expires_at"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"rotate": "yes"}, "rotate"),
    ],
)
async def test_a_wrong_field_is_named(ann, body, param):
    refused = await ann.ask("POST", "keys", body)
    assert (refused.status, refused.param) == (400, param)


async def test_a_user_sees_their_own_sessions_tasks_and_workspaces(op, ann):
    await a_session_of(op, ann.user_id, "a")
    await a_session_of(op, "usr_other", "b")
    for path, key, value in (
        ("sessions", "session_id", "ses_a"),
        ("tasks", "task_id", "trn_a"),
        ("workspaces", "workspace_id", "wsp_a"),
        ("tasks?session_id=ses_a", "task_id", "trn_a"),
    ):
        assert [item[key] for item in (await ann.ask("GET", path)).data] == [value]
    assert (await ann.ask("GET", "tasks?session_id=ses_b")).data == []
    assert (await ann.ask("GET", "tasks?user_id=usr_other")).param == "user_id"
    assert (await ann.ask("GET", "sessions/ses_a")).status == 200
    assert (await ann.ask("GET", "tasks/trn_a")).data["status"] == "completed"
    assert (await ann.ask("POST", "sessions/ses_a/reset")).status == 200
    repair = await ann.ask("POST", "workspaces/wsp_a/repair")
    assert repair.data == {
        "workspace_id": "wsp_a",
        "folders": 2,
        "files": 1,
        "left": 0,
        "partial": False,
    }
    assert (await ann.ask("POST", "tasks/trn_a/cancel")).status == 202
    assert op.turns.cancelled == [("trn_a", f"user:{ann.user_id}")]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "sessions/ses_b"),
        ("POST", "sessions/ses_b/reset"),
        ("POST", "workspaces/wsp_b/repair"),
        ("GET", "tasks/trn_b"),
        ("POST", "tasks/trn_b/cancel"),
        ("DELETE", "keys/{key}"),
    ],
)
async def test_what_is_another_users_is_not_there(op, ann, method, path):
    other = await op.user("bob@example.org")
    await a_session_of(op, other["user_id"], "b")
    answer = await ann.ask(method, path.format(key=other["api_key"]["key_id"]))
    assert (answer.status, answer.code) == (404, "not_found")
    assert op.turns.cancelled == []


async def test_usage_is_added_up_by_day_and_provider(op, ann):
    await a_session_of(op, ann.user_id, "a")
    await a_session_of(op, ann.user_id, "b")
    await a_session_of(op, "usr_other", "c")
    used = (await ann.ask("GET", "usage")).data
    assert END.usage == USAGE
    expected = {
        "total_input_tokens": 2 * USAGE.input,
        "total_output_tokens": 2 * USAGE.output,
        "total_cache_hit_tokens": 2 * USAGE.cached,
        "total_tokens": 2 * (USAGE.input + USAGE.output),
        "cache_hit_rate": USAGE.cached / USAGE.input,
        "total_requests": 2,
    }
    assert used["summary"] == expected
    assert used["by_provider"] == [{"provider": "codex"} | expected]
    assert used["by_day"] == [{"date": "2026-03-01"} | expected]


async def test_usage_counts_today_and_the_thirty_days_before_whole(op, ann):
    await a_session_of(op, ann.user_id, "a")
    op.clock.move(days=1)
    await a_session_of(op, ann.user_id, "b")
    op.clock.move(days=29, hours=6)
    used = (await ann.ask("GET", "usage")).data
    assert used["window"]["from"] == "2026-03-01T00:00:00+00:00"
    assert [day["date"] for day in used["by_day"]] == ["2026-03-01", "2026-03-02"]
    assert (used["summary"]["total_requests"], used["truncated"]) == (2, False)
    op.clock.move(days=1)
    later = (await ann.ask("GET", "usage")).data
    assert [day["date"] for day in later["by_day"]] == ["2026-03-02"]
    assert later["summary"]["total_tokens"] == USAGE.input + USAGE.output


async def test_models_can_be_listed_by_provider(ann):
    codex = (await ann.ask("GET", "providers/models?provider=codex")).data
    assert {model["provider"] for model in codex} == {"codex"}
    assert (await ann.ask("GET", "providers/models?provider=nobody")).param == "provider"
