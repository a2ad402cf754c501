"""What a chat request may say, and what it is taken to mean."""

import base64
from typing import Any

import orjson
import pytest
from http_with_fakes import a_request
from hypothesis import given
from hypothesis import strategies as st

from codara.application.ports.agents import Image
from codara.application.ports.workspaces import Upload
from codara.application.turns.commands import Message
from codara.config.settings import ServerSettings
from codara.domain.images import media_type_of
from codara.errors import (
    CodaraError,
    InvalidRequest,
    UnsupportedParameter,
    WorkspaceAccessDenied,
)
from codara.http.openai.decode import ChatRequest, decode
from tests.fakes.users import CALLER, OPERATOR


def decoded(headers: dict[str, str] | None = None, **more: Any) -> ChatRequest:
    return decode(a_request(**more), headers or {}, CALLER)


def refusal(headers: dict[str, str] | None = None, **more: Any) -> CodaraError:
    with pytest.raises(CodaraError) as refused:
        decoded(headers, **more)
    return refused.value


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"


def linked(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, "detail": "low"}}


def image(data: bytes, media_type: str = "image/png") -> dict[str, Any]:
    return linked(f"data:{media_type};base64,{base64.b64encode(data).decode()}")


def test_the_smallest_request_gets_every_default() -> None:
    wanted = decoded()
    assert wanted.messages == (Message("user", "Hi"),)
    assert (wanted.workspace, wanted.session_label, wanted.chat) == ("default", None, None)
    assert (wanted.manual, wanted.persistent, wanted.stream) == (False, True, False)
    assert (wanted.provider, wanted.idempotency_key, wanted.retry) == (None, None, False)


@pytest.mark.parametrize("body", [None, [], "text", 3, True])
def test_a_body_that_is_no_object_is_refused(body: Any) -> None:
    with pytest.raises(InvalidRequest):
        decode(body, {}, CALLER)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", None),
        ("model", ""),
        ("model", 7),
        ("model", "x" * 201),
        ("model", "codex/a\x00b"),
        ("model", "codex/a\nb"),
        ("messages", None),
        ("messages", []),
        ("messages", "Hi"),
        ("messages", [assistant("I say something")]),
        ("messages", [user("  ")]),
        ("n", 0),
        ("n", True),
        ("n", "1"),
        ("n", 1.5),
        ("stream", "yes"),
        ("stream_options", []),
        ("metadata", "text"),
        ("uag_options", 3),
        ("provider", 3),
        ("workspace_id", 3),
        ("workspace_id", ""),
        ("workspace_id", "../up"),
        ("workspace_id", "/absolute"),
        ("workspace_id", "a\x00b"),
        ("client_session_id", "a::b"),
        ("client_session_id", "x" * 121),
        ("manual_mode", "perhaps"),
        ("session_persistence", 1),
        ("response_format", "json"),
    ],
)
def test_a_wrong_field_is_refused_by_name(field: str, value: Any) -> None:
    error = refusal(**{field: value})
    assert (error.code, error.param) == ("invalid_request", field)


def test_more_than_one_answer_is_not_supported() -> None:
    assert isinstance(refusal(n=2), UnsupportedParameter)
    assert refusal(n=2).param == "n"
    assert decoded(n=1).model == "codex/gpt-5-codex"


@pytest.mark.parametrize("kind", ["json_schema", "json_object"])
def test_a_promise_of_json_is_not_supported(kind: str) -> None:
    error = refusal(response_format={"type": kind, "json_schema": {}})
    assert (error.code, error.param) == ("unsupported_parameter", "response_format")
    decoded(response_format={"type": "text"})


@pytest.mark.parametrize("wanted", [{"type": "bogus"}, {"type": None}, {"type": ["text"]}, {}])
def test_a_format_that_nobody_knows_is_invalid(wanted: Any) -> None:
    error = refusal(response_format=wanted)
    assert (error.code, error.param) == ("invalid_request", "response_format.type")


@pytest.mark.parametrize("effort", ["hard", "", 3, ["high"], True])
def test_an_effort_that_nobody_knows_is_invalid(effort: Any) -> None:
    error = refusal(reasoning_effort=effort)
    assert (error.code, error.param) == ("invalid_request", "reasoning_effort")
    assert "low, medium, high" in error.message


def test_tools_and_unknown_fields_are_ignored() -> None:
    decoded(tools=[{"type": "function"}], temperature=0.5, seed=3, anything={"goes": True})


def test_every_role_of_openai_is_understood() -> None:
    roles = ["system", "developer", "user", "assistant", "tool", "function"]
    wanted = decoded(messages=[{"role": role, "content": role} for role in roles])
    assert [message.role for message in wanted.messages] == [*roles[:5], "tool"]


def test_content_may_be_text_nothing_or_parts() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    wanted = decoded(
        messages=[{"role": "user", "content": parts}, {"role": "assistant", "content": None}]
    )
    assert [message.text for message in wanted.messages] == ["one\ntwo", ""]


@pytest.mark.parametrize(
    ("part", "code", "where"),
    [
        ({"type": "image_url", "image_url": {}}, "invalid_request", ""),
        ({"type": "image_url", "image_url": "data:,text"}, "invalid_request", ""),
        ({"type": "image_url", "image_url": "data:image/png;base64,?"}, "invalid_request", ""),
        (image(b"<svg/>"), "unsupported_parameter", ""),
        (linked("https://example.org/a.png"), "unsupported_parameter", ""),
        (linked("HTTP://example.org/a.png"), "unsupported_parameter", ""),
        (linked("file:///etc/passwd"), "invalid_request", ""),
        (image(PNG + bytes(10 * 1024 * 1024)), "body_too_large", ""),
        ({"type": "input_audio"}, "unsupported_parameter", ""),
        ({"type": "hologram"}, "invalid_request", ""),
        ({"type": ["text"]}, "invalid_request", ""),
        ("bare", "invalid_request", ""),
        ({"type": "text"}, "invalid_request", ".text"),
    ],
)
def test_a_part_that_is_no_text_is_refused_by_its_place(part: Any, code: str, where: str) -> None:
    messages = [user("Hi"), {"role": "user", "content": [{"type": "text", "text": "a"}, part]}]
    error = refusal(messages=messages)
    assert (error.code, error.param) == (code, f"messages[1].content[1]{where}")


def test_a_picture_is_known_by_its_bytes() -> None:
    jpeg = b"\xff\xd8\xff\xe0pixels"
    parts = [{"type": "text", "text": "Look:"}, image(PNG), image(jpeg, "image/png")]
    wanted = decoded(messages=[user("Hi"), {"role": "user", "content": parts}])
    assert wanted.messages[1] == Message(
        "user", "Look:", (Image("image/png", PNG), Image("image/jpeg", jpeg))
    )
    assert wanted.first_image == "messages[1].content[1]"


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xdb", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"BM", None),
        (b"", None),
    ],
)
def test_four_kinds_of_pictures_are_taken(data: bytes, media_type: str | None) -> None:
    assert media_type_of(data) == media_type


def test_a_picture_alone_says_something() -> None:
    wanted = decoded(messages=[{"role": "user", "content": [image(PNG)]}])
    assert wanted.messages == (Message("user", "", (Image("image/png", PNG),)),)


def test_only_users_show_pictures() -> None:
    error = refusal(messages=[user("Hi"), {"role": "system", "content": [image(PNG)]}])
    assert (error.code, error.param) == ("unsupported_parameter", "messages[1].content[0]")


def test_too_many_pictures_are_refused() -> None:
    error = refusal(messages=[{"role": "user", "content": [image(PNG)] * 17}])
    assert (error.code, error.param) == ("invalid_request", "messages")


def test_thoughts_and_events_are_off_unless_asked_for() -> None:
    assert (decoded().reasoning, decoded().events) == (False, False)
    wanted = decoded(codara_reasoning=True, metadata={"codara_events": "true"})
    assert (wanted.reasoning, wanted.events) == (True, True)
    assert refusal(codara_events="often").param == "codara_events"


def test_the_same_words_with_other_files_are_another_request() -> None:
    bodies = [
        decode(a_request(), {}, CALLER, files).body_digest
        for files in ((), (Upload("a", b"1"),), (Upload("a", b"2"),), (Upload("b", b"1"),))
    ]
    assert len(set(bodies)) == 4


@pytest.mark.parametrize("role", [None, "narrator", 3, ["user"]])
def test_an_unknown_role_is_refused_by_its_place(role: Any) -> None:
    assert refusal(messages=[{"role": role, "content": "x"}]).param == "messages[0].role"


def test_our_fields_are_taken_from_the_nearest_place() -> None:
    headers = {"X-Codara-Workspace": "from-header", "X-Codara-Session": "s-header"}
    everywhere = {
        "workspace_id": "from-body",
        "uag_options": {"workspace_id": "from-options", "client_session_id": "s-options"},
        "metadata": {"workspace_id": "from-metadata", "client_session_id": "s-metadata"},
    }
    wanted = decoded(headers, **everywhere)
    assert (wanted.workspace, wanted.session_label) == ("from-body", "s-options")
    everywhere.pop("workspace_id")
    everywhere.pop("uag_options")
    assert decoded(headers, **everywhere).workspace == "from-metadata"
    assert decoded(headers).workspace == "from-header"
    assert decoded({"X-Codara-Provider": "codex"}).provider == "codex"


def test_metadata_holds_strings_only_so_words_count_as_flags() -> None:
    wanted = decoded(metadata={"manual_mode": "true", "session_persistence": "False"})
    assert (wanted.manual, wanted.persistent) == (True, False)


def test_only_operators_name_a_folder() -> None:
    error = refusal(workspace_root="/srv/work")
    assert isinstance(error, WorkspaceAccessDenied)
    body = a_request(workspace_root="/srv/work")
    assert decode(body, {}, OPERATOR).workspace_root == "/srv/work"


def test_only_our_own_field_names_a_session() -> None:
    assert (
        decoded(prompt_cache_key="cache", user="bob", safety_identifier="x").session_label is None
    )
    assert decoded(metadata={"chat_id": "chat"}).session_label is None
    assert decoded(messages=[user("Hi"), assistant("Hello"), user("More")]).session_label is None
    assert decoded(user="bob", client_session_id="mine").session_label == "mine"
    assert decoded(client_session_id="ses_123").session_label == "ses_123"


def test_a_chat_id_names_the_chat_and_no_session() -> None:
    wanted = decoded(user="bob", metadata={"chat_id": "ses_123"})
    assert (wanted.chat, wanted.session_label) == ("ses_123", None)
    assert decoded({"X-OpenWebUI-Chat-Id": "chat"}).chat == "chat"
    assert decoded(user="bob", prompt_cache_key="cache").chat is None


def test_the_digest_does_not_see_order_and_white_space() -> None:
    one = orjson.loads(b'{"model":"m","messages":[{"role":"user","content":"Hi"}]}')
    two = orjson.loads(b'{ "messages": [{"content":"Hi", "role":"user"}], "model": "m" }')
    other = orjson.loads(b'{"model":"m","messages":[{"role":"user","content":"Ho"}]}')
    digests = [decode(body, {}, CALLER).body_digest for body in (one, two, other)]
    assert digests[0] == digests[1] != digests[2]
    assert len(digests[0]) == 64


def test_the_idempotency_key_must_be_printable() -> None:
    assert decoded({"Idempotency-Key": "a b-1"}).idempotency_key == "a b-1"
    for bad in ("", "x" * 256, "é", "a\tb"):
        assert refusal({"Idempotency-Key": bad}).param == "Idempotency-Key"


@pytest.mark.parametrize(
    ("count", "retry"), [("0", False), ("1", True), ("2", True), ("x", False), ("-1", False)]
)
def test_an_sdk_says_itself_that_it_retries(count: str, retry: bool) -> None:
    assert decoded({"x-stainless-retry-count": count}).retry is retry


def test_a_body_nested_too_deeply_is_refused() -> None:
    deep: Any = []
    for _ in range(400):
        deep = [deep]
    assert refusal(anything=deep).code == "invalid_request"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
parts = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["text", "image_url", "odd"]) | json_values,
        "text": json_values,
    },
)
messages = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["system", "user", "assistant", "tool"]) | json_values,
        "content": st.text() | st.lists(parts, max_size=3) | json_values,
    },
)
names = [
    "workspace_id",
    "client_session_id",
    "provider",
    "user",
    "prompt_cache_key",
    "n",
    "stream",
    "stream_options",
    "metadata",
    "uag_options",
    "manual_mode",
    "response_format",
    "reasoning_effort",
    "session_persistence",
    "workspace_root",
    "anything",
]
bodies = st.fixed_dictionaries(
    {},
    optional={
        "model": st.text() | json_values,
        "messages": st.lists(messages, max_size=4) | json_values,
        **dict.fromkeys(names, json_values),
    },
)
some_headers = st.dictionaries(
    st.sampled_from(
        [
            "X-Codara-Session",
            "X-Codara-Workspace",
            "X-Codara-Provider",
            "Idempotency-Key",
            "x-stainless-retry-count",
        ]
    ),
    st.text(st.characters(categories=["L", "N", "P", "Cs", "Cc"]), max_size=20),
)


@given(body=bodies | json_values, headers=some_headers, operator=st.booleans())
def test_whatever_comes_is_understood_or_refused_with_a_code(
    body: Any, headers: dict[str, str], operator: bool
) -> None:
    try:
        wanted = decode(body, headers, OPERATOR if operator else CALLER)
    except CodaraError as refused:
        assert refused.code in {
            "invalid_request",
            "unsupported_parameter",
            "workspace_access_denied",
            "body_too_large",
        }
    else:
        assert wanted.messages


def test_what_is_asked_beside_a_chat_is_told_from_the_chat() -> None:
    wanted = decoded(model="codex/gpt-5-codex:aside")
    assert (wanted.model, wanted.aside) == ("codex/gpt-5-codex", True)
    assert decoded(metadata={"task": "title_generation"}).aside
    assert not decoded(metadata={"task": "title_generation"}, client_session_id="mine").aside
    assert not decoded().aside


def test_asides_can_be_turned_off() -> None:
    body = a_request(model="codex/gpt-5-codex:aside")
    wanted = decode(body, {}, CALLER, (), ServerSettings(asides=False))
    assert (wanted.model, wanted.aside) == ("codex/gpt-5-codex:aside", False)
