import aiohttp
import pytest
from management_setup import PASSKEY, plane

from codara.events import streams
from codara.http.app import ROUTES
from codara.http.planes import OPERATOR
from codara.projections.engine import runner
from tests.event_examples import (
    session_opened,
    turn_completed,
    turn_requested,
    turn_started,
    workspace_provisioned,
)

ACCOUNT = {
    "account_id": "main",
    "provider": "codex",
    "auth_type": "API_KEY",
    "label": "Main",
    "credential_text": " sk-very-secret \n",
}
UPLOAD = "/management/v1/accounts/upload"
USERS = "/management/v1/users"
TOKEN = "/management/v1/auth/token"
GUARDED = [(route.method, route.path) for route in ROUTES if route.guard is OPERATOR]


@pytest.fixture
async def op(tmp_path):
    async with plane(tmp_path) as opened:
        yield opened


def filled(path):
    return path.replace("{", "").replace("}", "")


async def login(op, address="192.0.2.1", **body):
    more = {"X-Forwarded-For": address}
    return await op.ask("POST", TOKEN, body, token="", headers=more)


# ---------------------------------------------------------------- who may come in


@pytest.mark.parametrize("name", ["operator_secret", "operator_passkey", "api_token"])
async def test_who_knows_the_passkey_gets_tokens(op, name):
    got = await login(op, **{name: PASSKEY})
    assert got.status == 200
    assert set(got.data) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert got.headers["Cache-Control"] == "no-store"
    assert (await op.ask("GET", USERS, token=got.data["access_token"])).status == 200


@pytest.mark.parametrize("body", [{}, {"operator_secret": 7}, {"operator_secret": ""}])
async def test_a_login_without_a_secret_is_no_login(op, body):
    refused = await login(op, **body)
    assert (refused.status, refused.param) == (400, "operator_secret")


async def test_guessing_the_passkey_ends_in_429_within_30_tries(op):
    answers = [await login(op, operator_secret=f"guess {n}") for n in range(30)]
    assert [answer.status for answer in answers[:10]] == [401] * 10
    assert {answer.status for answer in answers[10:]} == {429}
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert (await login(op, operator_secret=PASSKEY)).status == 429
    assert (await login(op, address="192.0.2.2", operator_secret=PASSKEY)).status == 200


async def test_an_address_cannot_be_made_up_before_the_nearest_trusted_proxy(op):
    for n in range(11):
        last = await login(op, address=f"198.51.100.{n}, 192.0.2.1", operator_secret="guess")
    assert last.status == 429


async def test_a_refresh_token_is_no_access_token(op):
    got = (await login(op, operator_secret=PASSKEY)).data
    assert (await op.ask("GET", USERS, token=got["refresh_token"])).code == "invalid_api_key"
    fresh = await op.ask(
        "POST",
        "/management/v1/auth/refresh",
        {"refresh_token": got["refresh_token"]},
        token="",
    )
    assert (await op.ask("GET", USERS, token=fresh.data["access_token"])).status == 200


async def test_nobody_is_logged_in_after_logging_out(op):
    got = (await login(op, operator_secret=PASSKEY)).data
    out = await op.ask("POST", "/management/v1/auth/logout", token=got["access_token"])
    assert out.status == 200
    assert (await op.ask("GET", USERS, token=got["access_token"])).status == 401
    body = {"refresh_token": got["refresh_token"]}
    assert (await op.ask("POST", "/management/v1/auth/refresh", body, token="")).status == 401


@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_every_route_is_for_operators_alone(op, method, path):
    user = await op.user()
    for token in ("", "nonsense", PASSKEY, user["api_key"]["raw_key"]):
        answer = await op.ask(method, filled(path), token=token)
        assert (answer.status, answer.code) == (401, "invalid_api_key")


# ---------------------------------------------------------------- users


async def test_a_user_is_provisioned_and_can_be_read_at_once(op):
    made = await op.ask(
        "POST",
        USERS,
        {
            "email": "Ann@Example.org",
            "display_name": "Ann",
            "key_label": "laptop",
            "key_expires_at": "2030-01-31T12:00:00Z",
            "max_concurrency": 5,
        },
    )
    assert made.status == 201
    assert made.meta["stale"] is False
    assert made.data["email"] == "ann@example.org"
    assert made.data["status"] == "active"
    assert made.data["api_key"]["raw_key"].startswith("uagk_live_")
    assert made.data["api_key"]["expires_at"] == "2030-01-31T12:00:00+00:00"
    shown = await op.ask("GET", f"{USERS}/{made.data['user_id']}")
    assert (shown.data["display_name"], shown.data["max_concurrency"]) == ("Ann", 5)
    [key] = shown.data["api_keys"]
    assert (key["label"], key["status"]) == ("laptop", "active")


async def test_a_raw_key_is_shown_once_and_kept_nowhere(op):
    made = await op.user()
    raw = made["api_key"]["raw_key"].encode()
    for path in (f"{USERS}/{made['user_id']}", "/management/v1/audit", USERS):
        assert raw.decode() not in str((await op.ask("GET", path)).body)
    assert not [
        file for file in op.folder.rglob("*") if file.is_file() and raw in file.read_bytes()
    ]


async def test_a_second_user_of_one_email_address_is_refused(op):
    await op.user("ann@example.org")
    refused = await op.ask("POST", USERS, {"email": "ANN@example.org "})
    assert (refused.status, refused.code) == (409, "conflict")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "email"),
        ({"email": 7}, "email"),
        ({"email": "nobody"}, "email"),
        ({"email": "a@b.c", "display_name": ["x"]}, "display_name"),
        ({"email": "a@b.c", "max_concurrency": "3"}, "max_concurrency"),
        ({"email": "a@b.c", "max_concurrency": True}, "max_concurrency"),
        ({"email": "a@b.c", "max_concurrency": 0}, "max_concurrency"),
        ({"email": "a@b.c", "key_expires_at": "tomorrow"}, "key_expires_at"),
        ({"email": "a@b.c", "key_expires_at": "0001-01-01T00:00:00+14:00"}, "key_expires_at"),
        ({"email": "a@b.c", "key_expires_at": 1e300}, "key_expires_at"),
        ({"email": "a@b.c", "key_expires_at": "2020-01-01"}, "expires_at"),
    ],
)
async def test_a_wrong_field_is_named(op, body, param):
    refused = await op.ask("POST", USERS, body)
    assert (refused.status, refused.code, refused.param) == (400, "invalid_request", param)


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff"])
async def test_a_body_that_is_no_object_is_refused(op, body):
    refused = await op.ask("POST", USERS, data=body)
    assert (refused.status, refused.code) == (400, "invalid_request")


async def test_a_user_is_changed_suspended_restored_and_deleted(op):
    user = f"{USERS}/{(await op.user())['user_id']}"
    changed = await op.ask("PATCH", user, {"display_name": "Bea", "max_concurrency": 9})
    assert (changed.data["display_name"], changed.data["max_concurrency"]) == ("Bea", 9)
    assert (await op.ask("POST", f"{user}/suspend")).data["status"] == "suspended"
    assert (await op.ask("POST", f"{user}/unsuspend")).data["status"] == "active"
    assert (await op.ask("POST", f"{user}/suspend")).data["status"] == "suspended"
    assert (await op.ask("POST", f"{user}/restore")).data["status"] == "active"
    assert (await op.ask("DELETE", user)).data["status"] == "deleted"
    assert (await op.ask("POST", f"{user}/restore")).status == 409


async def test_keys_are_issued_rotated_and_revoked(op):
    made = await op.user()
    keys = f"{USERS}/{made['user_id']}/keys"
    second = await op.ask("POST", keys, {"label": "ci"})
    assert second.status == 201
    rotated = await op.ask("POST", f"{keys}/rotate", {})
    listed = (await op.ask("GET", keys)).data
    assert [key["status"] for key in listed] == ["active", "revoked", "revoked"]
    revoked = await op.ask("DELETE", f"{keys}/{rotated.data['key_id']}")
    assert revoked.status == 200
    me = await op.ask("GET", "/v1/user/me", token=rotated.data["raw_key"])
    assert (me.status, me.code) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "users/usr_none"),
        ("PATCH", "users/usr_none"),
        ("POST", "users/usr_none/suspend"),
        ("DELETE", "users/usr_none"),
        ("GET", "users/usr_none/keys"),
        ("POST", "users/usr_none/keys"),
        ("DELETE", "users/usr_none/keys/key_none"),
        ("GET", "accounts/none"),
        ("POST", "accounts/none/cooldown"),
        ("POST", "accounts/none/recover"),
        ("DELETE", "accounts/none"),
        ("GET", "sessions/ses_none"),
        ("GET", "sessions/ses_none/tasks"),
        ("POST", "sessions/ses_none/reset"),
        ("GET", "tasks/trn_none"),
        ("POST", "tasks/trn_none/cancel"),
        ("GET", "workspaces/wsp_none"),
        ("POST", "workspaces/wsp_none/repair"),
        ("GET", f"traces/{'0' * 31}1"),
    ],
)
async def test_what_is_not_there_is_404(op, method, path):
    answer = await op.ask(method, f"/management/v1/{path}")
    assert (answer.status, answer.code) == (404, "not_found")


# ---------------------------------------------------------------- accounts


async def test_an_account_is_uploaded_as_json_and_its_secret_is_never_shown(op):
    made = await op.ask("POST", UPLOAD, ACCOUNT)
    assert made.status == 201
    assert (made.data["account_id"], made.data["status"]) == ("main", "ready")
    assert made.data["fingerprint"]
    shown = await op.ask("GET", "/management/v1/accounts/main")
    listed = await op.ask("GET", "/management/v1/accounts?provider=codex")
    assert listed.data == [shown.data]
    for answer in (made, shown, listed, await op.ask("GET", "/management/v1/audit")):
        assert "sk-very" not in str(answer.body)


async def test_an_account_is_uploaded_as_a_form_with_a_file(op):
    form = aiohttp.FormData({"provider": "codex", "auth_type": "API_KEY", "label": "Main"})
    form.add_field("credential_file", b"sk-from-a-file\n", filename="key.txt")
    made = await op.ask("POST", UPLOAD, data=form)
    assert made.status == 201
    assert made.data["account_id"].startswith("acc_")


async def test_the_same_id_again_stores_another_credential(op):
    first = await op.ask("POST", UPLOAD, ACCOUNT)
    second = await op.ask("POST", UPLOAD, {**ACCOUNT, "credential_text": "sk-other"})
    assert second.data["fingerprint"] != first.data["fingerprint"]
    refused = await op.ask("POST", UPLOAD, {**ACCOUNT, "provider": "claude"})
    assert (refused.status, refused.code) == (409, "conflict")


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"provider": "vertex"}, "provider"),
        ({"provider": None}, "provider"),
        ({"auth_type": 1}, "auth_type"),
        ({"account_id": "../x"}, "account_id"),
        ({"credential_text": ""}, "credential_text"),
        ({"credential_text": "sk-\x00"}, "credential"),
        ({"credential_text": "k" * 150_000}, "credential_text"),
        ({"auth_type": "OAUTH_SESSION"}, "credential"),
        ({"auth_type": "OAUTH_SESSION", "credential_text": '{"tokens": {}}'}, "credential"),
    ],
)
async def test_a_wrong_upload_is_named(op, changed, param):
    refused = await op.ask("POST", UPLOAD, {**ACCOUNT, **changed})
    assert (refused.status, refused.param) == (400, param)


async def test_broken_forms_are_refused(op):
    form = aiohttp.FormData({"provider": "codex", "auth_type": "API_KEY"})
    form.add_field("credential_file", b"\xff\xfe", filename="key.txt")
    assert (await op.ask("POST", UPLOAD, data=form)).param == "credential_file"
    headers = {"Content-Type": "multipart/form-data"}
    assert (await op.ask("POST", UPLOAD, data=b"x", headers=headers)).status == 400
    large = aiohttp.FormData({"provider": "codex"})
    large.add_field("credential_file", b"k" * 300_000, filename="key.txt")
    assert (await op.ask("POST", UPLOAD, data=large)).status == 413


async def test_an_account_is_taken_out_let_in_again_and_removed(op):
    await op.ask("POST", UPLOAD, ACCOUNT)
    account = "/management/v1/accounts/main"
    cooling = await op.ask("POST", f"{account}/cooldown", {"seconds": 30})
    assert (cooling.data["status"], cooling.data["cause"]) == ("cooldown", "operator")
    assert (await op.ask("POST", f"{account}/cooldown", {"seconds": -1})).param == "seconds"
    assert (await op.ask("POST", f"{account}/recover")).data["status"] == "ready"
    assert (await op.ask("DELETE", account)).status == 200
    assert (await op.ask("GET", account)).status == 404


# ---------------------------------------------------------------- asking


async def test_a_listing_is_paged_newest_first(op):
    emails = [f"user{n}@example.org" for n in range(5)]
    for email in emails:
        await op.user(email)
    seen, cursor = [], ""
    while True:
        page = await op.ask("GET", f"{USERS}?limit=2&role=user{cursor}")
        seen += [user["email"] for user in page.data]
        if not page.meta["page"]["has_more"]:
            break
        cursor = f"&cursor={page.meta['page']['cursor']}"
    assert seen == emails[::-1]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=many", "limit"),
        ("limit=", "limit"),
        ("cursor=nonsense", "cursor"),
        ("min_position=x", "min_position"),
        ("since=yesterday", "since"),
    ],
)
async def test_a_wrong_query_is_named(op, query, param):
    refused = await op.ask("GET", f"/management/v1/tasks?{query}")
    assert (refused.status, refused.param) == (400, param)


async def test_a_position_the_read_models_never_reach_makes_the_answer_stale(op):
    assert (await op.ask("GET", f"{USERS}?min_position=999999")).meta["stale"] is True
    position = op.log.head()
    fresh = await op.ask("GET", f"{USERS}?min_position={position}")
    assert fresh.meta["stale"] is False
    assert fresh.meta["position"] >= position


async def test_whoever_asks_sees_all_that_the_log_held_then(op, monkeypatch):
    monkeypatch.setattr(runner, "LULL_SECONDS", 60.0)
    for number, path in enumerate(("sessions/ses_0", "sessions", "sessions/ses_0/tasks")):
        session_id = f"ses_{number}"
        await op.written(streams.session(session_id), [session_opened(session_id=session_id)])
        answer = await op.ask("GET", f"/management/v1/{path}")
        assert (answer.status, answer.meta["stale"]) == (200, False)
        assert answer.meta["position"] == op.log.head()


async def test_sessions_tasks_and_workspaces_of_everybody_can_be_read(op):
    await op.happened(streams.workspace("wsp_1"), [workspace_provisioned()])
    await op.happened(streams.session("ses_1"), [session_opened(), turn_requested()])
    op.sessions.whose["ses_1"] = op.turns.whose["trn_1"] = "usr_1"
    base = "/management/v1"
    for path, key, value in (
        ("sessions", "session_id", "ses_1"),
        ("tasks", "task_id", "trn_1"),
        ("workspaces", "workspace_id", "wsp_1"),
        ("sessions/ses_1/tasks", "task_id", "trn_1"),
        ("tasks?user_id=usr_1&status=pending", "task_id", "trn_1"),
    ):
        assert [item[key] for item in (await op.ask("GET", f"{base}/{path}")).data] == [value]
    assert (await op.ask("GET", f"{base}/tasks?user_id=usr_2")).data == []
    assert (await op.ask("GET", f"{base}/tasks/trn_1")).data["status"] == "pending"
    cancelled = await op.ask("POST", f"{base}/tasks/trn_1/cancel")
    assert (cancelled.status, cancelled.data["task_id"]) == (202, "trn_1")
    assert (await op.ask("POST", f"{base}/sessions/ses_1/reset")).status == 200
    assert (await op.ask("POST", f"{base}/workspaces/wsp_1/repair")).data["folders"] == 2


async def test_a_trace_shows_the_spans_of_its_turns(op):
    turn = [session_opened(), turn_requested(), turn_started(), turn_completed()]
    await op.happened(streams.session("ses_1"), turn)
    task = (await op.ask("GET", "/management/v1/tasks/trn_1")).data
    trace = await op.ask("GET", f"/management/v1/traces/{task['trace_id']}")
    assert trace.status == 200
    assert (trace.data["trace_id"], trace.data["turns_left_out"]) == (task["trace_id"], 0)
    assert [span["name"] for span in trace.data["spans"]] == ["turn", "queue", "agent"]
    assert {frozenset(span) for span in trace.data["spans"]} == {
        frozenset({"span_id", "parent_span_id", "name", "start", "end", "attributes"})
    }
    assert trace.meta["position"] == op.log.head()


async def test_the_trail_says_who_did_what(op):
    made = await op.user()
    trail = await op.ask("GET", f"/management/v1/audit?search={made['user_id']}")
    assert {item["action"] for item in trail.data} >= {"user.provisioned", "key.issued"}
    assert {item["actor"].partition(":")[0] for item in trail.data} == {"operator"}
    assert (await op.ask("GET", "/management/v1/audit?action=user.eaten")).data == []


async def test_an_answer_carries_its_request_and_its_position(op):
    made = await op.ask(
        "POST", USERS, {"email": "a@example.org"}, headers={"X-Request-Id": "mine-7"}
    )
    assert made.meta["request_id"] == "mine-7"
    assert made.meta["position"] == op.log.head()
    trace_id = made.meta["trace_id"]
    trail = await op.ask("GET", f"/management/v1/audit?correlation_id={trace_id}")
    assert len(trail.data) == 2
    caused = {each.metadata.causation_id for each in await op.log.read(made.meta["position"] - 2)}
    assert caused == {"mine-7"}


async def test_health_tells_what_is_wrong(op):
    assert (await op.ask("GET", "/management/v1/health")).data["status"] == "ok"
