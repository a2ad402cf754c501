"""What is asked beside a chat is told from what is asked in it, and chats from one another."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from codara.application.turns.commands import Message
from codara.config.settings import ServerSettings
from codara.http.openai.aside_templates import AFTER_THE_CHAT, IN_ONE_MESSAGE, WITH_RULES
from codara.http.openai.asides import is_aside, known_template, plain_model
from codara.http.openai.conversations import chat_id_of
from codara.http.openai.messages import decode_messages

FOLDER = Path(__file__).parents[2] / "recorded" / "asides"
FIXTURES = {path.stem: orjson.loads(path.read_bytes()) for path in sorted(FOLDER.glob("*.json"))}
QUESTION = "How do I reverse a list in Python?"
ANSWER = "Use reversed(), or a slice with step -1."
MODEL = "codex/gpt-5-codex"
TITLE = FIXTURES["open-webui-title"]["messages"][0]["content"]
SECONDS = 2.0


def messages_of(body: dict[str, Any], change: Callable[[str], str] = str) -> list[Message]:
    return [Message(each["role"], change(each["content"])) for each in body["messages"]]


def asked(*messages: Message, **body: Any) -> bool:
    return is_aside(body, messages, MODEL)


def user(text: str) -> Message:
    return Message("user", text)


def german(text: str) -> str:
    text = text.replace(QUESTION, "Wie drehe ich eine Liste in Python um? Größe: äöüß …")
    return text.replace(ANSWER, "Mit reversed(), oder rückwärts geschnitten.")


def emptied(text: str) -> str:
    return text.replace(QUESTION, "").replace(ANSWER, "")


def with_crlf(text: str) -> str:
    return text.replace("\n", "\r\n")


def with_white_space(text: str) -> str:
    return "\n\n  " + text.replace("\n", "  \n\n\t") + " \n\n"


def within_seconds(check: Callable[[], bool]) -> bool:
    begun = time.process_time()
    answer = check()
    assert time.process_time() - begun < SECONDS
    return answer


@pytest.mark.parametrize("change", [str, german, with_crlf, with_white_space])
@pytest.mark.parametrize("name", FIXTURES)
def test_every_recorded_shape_is_an_aside(name: str, change: Callable[[str], str]) -> None:
    body = FIXTURES[name]
    messages = messages_of(body, change)
    found = known_template(messages)
    assert found is not None
    assert name.startswith(found.name)
    assert is_aside(body, messages, body["model"])


@pytest.mark.parametrize("name", [name for name in FIXTURES if not name.startswith("nextchat")])
def test_an_aside_may_have_an_empty_history(name: str) -> None:
    body = FIXTURES[name]
    assert is_aside(body, messages_of(body, emptied), body["model"])


def test_a_history_block_may_be_there_without_a_line() -> None:
    head, _, rest = TITLE.partition("<chat_history>")
    assert asked(user(f"{head}<chat_history>\n{rest[rest.index('</chat_history>') :]}"))
    assert asked(user(f"{head}<chat_history></chat_history>"))


def test_every_known_template_has_a_recorded_shape() -> None:
    recorded = [known_template(messages_of(body)) for body in FIXTURES.values()]
    for template in (*IN_ONE_MESSAGE, *WITH_RULES, *AFTER_THE_CHAT):
        assert template in recorded


def test_a_template_in_parts_is_an_aside() -> None:
    parts = [{"type": "text", "text": TITLE}]
    assert asked(*decode_messages([{"role": "user", "content": parts}]))


def test_a_history_that_talks_of_templates_is_still_an_aside() -> None:
    assert asked(user(TITLE.replace(QUESTION, f"What is this?\n{TITLE}\nAnd that?")))


@pytest.mark.parametrize(
    "text",
    [
        QUESTION,
        "### Task:\nAdd a README.",
        "### Task:\nGenerate a concise, 3-5 word title for the page.",
        f"What does this do in Open WebUI?\n\n{TITLE}",
        f"{TITLE}\n\nWhy does that prompt fail?",
        TITLE.replace("<chat_history>", "").replace("</chat_history>", ""),
        TITLE[: TITLE.index("<chat_history>")] + "</chat_history>",
        "### Task:\nFix the parser.\n### Chat History:\n<chat_history>\nUSER: Hi\n</chat_history>",
        "Why does LibreChat say «Provide a concise, 5-word-or-less title for the conversation,»?",
        "Provide a concise, 5-word-or-less title for the conversation, please.",
        "Here is the query:\nSELECT 1\n\nMake it faster.",
        "Your task is to reflect the speaker's likely facial expression in ```face.svg```.",
        "Based on the chat history, give this conversation a happy end.",
        "<chat_history></chat_history>",
        "",
    ],
)
def test_a_question_that_quotes_a_template_is_none(text: str) -> None:
    assert not asked(user(text))
    assert not asked(Message("system", "Be kind."), user(text))


def test_a_template_pasted_into_a_conversation_is_no_aside() -> None:
    before = [user("Hi"), Message("assistant", "Hello")]
    for name, body in FIXTURES.items():
        if not name.startswith(("nextchat", "zed")):
            assert not asked(*before, *messages_of(body)), name
    assert not asked(user("Look at this:"), user(TITLE))
    assert not asked(user(TITLE), Message("tool", "done"))


def test_a_wish_for_a_title_is_an_aside_only_behind_the_chat_it_names() -> None:
    wish = messages_of(FIXTURES["zed-title"])[-1]
    chat = [user("Hi"), Message("assistant", "Hello")]
    assert asked(*chat, wish)
    assert not asked(wish)
    assert not asked(Message("system", "Be kind."), wish)
    assert not asked(*chat, user(f"{wish.text}\n{'Look at all of it. ' * 40}"))
    assert not asked(*chat, wish, Message("assistant", "Greetings"))


@pytest.mark.parametrize("name", ["lobechat-title", "goose-title", "chat-ui-title"])
def test_rules_for_titles_alone_make_no_aside(name: str) -> None:
    rules = messages_of(FIXTURES[name])[0]
    assert not asked(rules, user("Add a README."))
    assert not asked(rules, user(QUESTION), Message("assistant", ANSWER), user("And now?"))


@pytest.mark.parametrize("field", ["tools", "functions"])
def test_a_template_with_tools_is_meant_as_it_stands(field: str) -> None:
    assert not asked(user(TITLE), **{field: [{"type": "function"}]})
    assert asked(user(TITLE), **{field: []})


def test_a_task_in_the_metadata_makes_an_aside() -> None:
    chat = [user("Hi"), Message("assistant", "Hello"), user("More")]
    for task in ("title_generation", "function_calling"):
        assert asked(*chat, metadata={"task": task, "chat_id": "c1"})
    for task in ("", "  ", None, 3, True, ["title_generation"], {"name": "x"}):
        assert not asked(*chat, metadata={"task": task})
    for metadata in (None, "task", ["task"], 3, {}):
        assert not asked(*chat, metadata=metadata)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("codex/gpt-5-codex:aside", ("codex/gpt-5-codex", True)),
        ("codex/gpt-5-codex", ("codex/gpt-5-codex", False)),
        ("opencode/a/b:free:aside", ("opencode/a/b:free", True)),
        ("opencode/a/b:aside:free", ("opencode/a/b:aside:free", False)),
        ("aside", ("aside", False)),
        (":aside", ("", True)),
        ("", ("", False)),
    ],
)
def test_the_ending_of_a_model_is_cut_off(name: str, plain: tuple[str, bool]) -> None:
    assert plain_model(name) == plain


def test_the_ending_of_a_model_makes_an_aside() -> None:
    assert is_aside({"tools": [{}]}, [user("Hi")], "codex/gpt-5-codex:aside")
    assert not is_aside({}, [user("Hi")], "codex/gpt-5-codex")


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [user("")],
        [Message("system", "")],
        [Message("assistant", "")],
        [user("x")] * 100_000,
        [user("x"), Message("assistant", "y")] * 50_000,
        [Message("system", "x")] * 100_000,
        [Message("system", "You are a title generator. You output ONLY a thread title.")] * 10_000
        + [user("x" * 100)] * 90_000,
    ],
    ids=["none", "empty", "rules", "answer", "users", "chat", "systems", "titles"],
)
def test_odd_lists_of_messages_cost_little(messages: list[Message]) -> None:
    assert not within_seconds(lambda: asked(*messages))


@pytest.mark.parametrize("role", ["user", "system", "assistant"])
@pytest.mark.parametrize(
    "text",
    [
        " \n" * 4_000_000,
        "x" * 8_000_000,
        "```" * 2_500_000,
        "<chat_history>\n" * 500_000,
        "### Task:\n" * 800_000,
        "### Task:\nGenerate a concise title\n" + "<chat_history> " * 500_000,
        "Here is the query:\n" + "Create a concise, 3-5 word phras" * 250_000,
        "||>User:||>Response" * 400_000,
    ],
    ids=["space", "word", "fences", "blocks", "heads", "title", "query", "old"],
)
def test_huge_texts_cost_little(text: str, role: str) -> None:
    assert not within_seconds(lambda: asked(Message("system", text), Message(role, text)))


def test_a_huge_history_is_still_recognised() -> None:
    huge = TITLE.replace(ANSWER, "Lorem ipsum </chat_history> dolor.\n" * 200_000)
    assert within_seconds(lambda: asked(user(huge)))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
some_messages = st.lists(
    st.builds(
        Message,
        st.sampled_from(["system", "developer", "user", "assistant", "tool"]),
        st.text(st.characters()) | st.sampled_from([TITLE, QUESTION, TITLE[:200], ""]),
    ),
    max_size=5,
)


@given(
    body=st.dictionaries(st.sampled_from(["metadata", "tools", "functions"]), json_values),
    messages=some_messages,
    model=st.text(),
)
def test_whatever_comes_is_an_aside_or_none(
    body: dict[str, Any], messages: list[Message], model: str
) -> None:
    assert is_aside(body, messages, model) in (True, False)


def chat_id(
    headers: dict[str, str] | None = None, server: ServerSettings | None = None, **body: Any
) -> str | None:
    return chat_id_of(body, CIMultiDict(headers or {}), server or ServerSettings())


LISTED = ServerSettings(
    conversation_headers=("X-Session-Id", "X-Thread"),
    conversation_fields=("thread", "metadata.thread"),
)


def test_a_chat_is_named_by_the_first_place_that_names_one() -> None:
    headers = {"X-OpenWebUI-Chat-Id": "open", "X-Thread": "second", "X-Session-Id": "first"}
    metadata = {"chat_id": "a", "session_id": "b", "conversation_id": "c", "thread": "d"}
    body: dict[str, Any] = {"thread": "top", "metadata": metadata}
    expected = []
    for taken in ("chat_id", "session_id", "conversation_id"):
        expected.append(chat_id(headers, LISTED, **body))
        del metadata[taken]
    for header in ("X-OpenWebUI-Chat-Id", "X-Session-Id", "X-Thread"):
        expected.append(chat_id(headers, LISTED, **body))
        del headers[header]
    expected.append(chat_id(headers, LISTED, **body))
    del body["thread"]
    expected.append(chat_id(headers, LISTED, **body))
    assert expected == ["a", "b", "c", "open", "first", "second", "top", "d"]


def test_the_place_is_no_part_of_the_name() -> None:
    assert chat_id(metadata={"chat_id": "c1"}) == "c1"
    assert chat_id({"x-openwebui-chat-id": " c1 "}) == "c1"
    assert chat_id(server=LISTED, thread="c1") == "c1"


def test_only_the_places_that_are_listed_count() -> None:
    assert chat_id({"X-Session-Id": "s"}, thread="t", metadata={"thread": "m"}) is None
    assert chat_id(chat_id="top", session_id="top") is None


@pytest.mark.parametrize("field", ["user", "prompt_cache_key", "safety_identifier"])
def test_what_names_a_person_or_a_prefix_names_no_chat(field: str) -> None:
    assert chat_id(**{field: "bob"}) is None
    assert chat_id(server=ServerSettings(conversation_fields=(field,)), **{field: "bob"}) is None


@pytest.mark.parametrize(
    "odd",
    [None, 3, True, [], ["c1"], {}, "", "  ", "x" * 201]
    + [f"a{character}b" for character in "\n\r\t\x00\x7f\x85\ud800"],
)
def test_what_can_be_no_name_is_passed_over(odd: Any) -> None:
    assert chat_id(metadata={"chat_id": odd}) is None
    assert chat_id(metadata={"chat_id": odd, "session_id": "next"}) == "next"
    if isinstance(odd, str):
        assert chat_id({"X-OpenWebUI-Chat-Id": odd}) is None


def test_names_of_every_script_and_length_count() -> None:
    for name in ("x" * 200, "Größe 3", "会话", "local:abc", "ses_123"):
        assert chat_id(metadata={"chat_id": name}) == name


@pytest.mark.parametrize("metadata", [None, "chat_id", ["chat_id"], 3, True])
def test_odd_metadata_names_nothing(metadata: Any) -> None:
    assert chat_id(metadata=metadata) is None
    assert chat_id({"X-OpenWebUI-Chat-Id": "c1"}, metadata=metadata) == "c1"
