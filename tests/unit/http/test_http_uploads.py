"""Pictures and files that come with a chat request."""

import base64
import json
from typing import Any

import aiohttp
import pytest
from http_with_fakes import Door, a_request, opened, services

from codara.application.ports.agents import Image
from codara.application.ports.frames import ReasoningDelta, TextDelta
from codara.application.ports.workspaces import Upload
from tests.fakes.turns import FakeTurns, ScriptedTurn
from tests.fakes.users import KEY

PNG = b"\x89PNG\r\n\x1a\npixels"
LINK = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
PARTS = [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": LINK}}]


def a_form(*files: tuple[str, bytes], field: str = "payload", body: Any = None) -> aiohttp.FormData:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field(field, body if body is not None else json.dumps(a_request()))
    for name, data in files:
        form.add_field("files", data, filename=name, content_type="application/octet-stream")
    return form


async def sent(door: Door, form: aiohttp.FormData) -> aiohttp.ClientResponse:
    headers = {"Authorization": f"Bearer {KEY}"}
    return await door.ask("POST", "/v1/chat/completions", data=form, headers=headers)


async def error_of(answer: aiohttp.ClientResponse) -> tuple[int, str, str | None]:
    error = (await answer.json())["error"]
    return answer.status, error["code"], error["param"]


async def test_a_picture_reaches_the_turn() -> None:
    turns = FakeTurns()
    async with opened(services(turns=turns)) as door:
        answer = await door.chat(a_request(messages=[{"role": "user", "content": PARTS}]))
    assert answer.status == 200
    assert turns.asked[0].messages[0].images == (Image("image/png", PNG),)


async def test_a_picture_for_an_agent_without_eyes_is_refused_by_its_place() -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": "user", "content": PARTS}]
    wanted = a_request(messages=messages) | {"model": "opencode/opencode/big-pickle"}
    turns = FakeTurns()
    async with opened(services(turns=turns)) as door:
        answer = await door.chat(wanted)
        assert await error_of(answer) == (
            400,
            "unsupported_parameter",
            "messages[1].content[1]",
        )
    assert turns.asked == []


@pytest.mark.parametrize("field", ["payload", "request", "chat_request"])
async def test_a_form_brings_the_request_and_files(field: str) -> None:
    turns = FakeTurns()
    async with opened(services(turns=turns)) as door:
        answer = await sent(door, a_form(("a.txt", b"one"), ("../a.txt", b"two"), field=field))
    assert answer.status == 200
    assert turns.asked[0].messages[0].text == "Hi"
    assert turns.asked[0].uploads == (
        Upload("a.txt", b"one"),
        Upload("a-2.txt", b"two", "../a.txt"),
    )


async def test_a_name_that_is_not_utf_8_is_handed_on_as_it_was_sent() -> None:
    turns = FakeTurns()
    part = b'--x\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
    body = part % (b"payload", b"", json.dumps(a_request()).encode())
    body += part % (b"files", b'; filename="caf\xe9.txt"', b"one") + b"--x--\r\n"
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "multipart/form-data; boundary=x"}
    async with opened(services(turns=turns)) as door:
        answer = await door.ask("POST", "/v1/chat/completions", data=body, headers=headers)
    assert answer.status == 200
    (upload,) = turns.asked[0].uploads
    assert (upload.name, upload.data) == ("caf_.txt", b"one")
    assert upload.sent.encode(errors="surrogateescape") == b"caf\xe9.txt"


async def test_the_same_form_with_another_file_is_another_request() -> None:
    turns = FakeTurns()
    async with opened(services(turns=turns)) as door:
        for data in (b"one", b"two", b"two"):
            await sent(door, a_form(("a.txt", data)))
    first, second, third = (asked.body_digest for asked in turns.asked)
    assert first != second == third


async def test_a_form_without_the_request_is_refused() -> None:
    async with opened(services()) as door:
        answer = await sent(door, a_form(("a.txt", b"one"), field="something"))
        assert await error_of(answer) == (400, "invalid_request", "payload")


async def test_a_payload_that_is_no_json_is_refused() -> None:
    async with opened(services()) as door:
        answer = await sent(door, a_form(("a.txt", b"one"), body="{"))
        assert await error_of(answer) == (400, "invalid_request", "payload")


async def test_a_file_over_the_limit_is_too_large() -> None:
    async with opened(services()) as door:
        answer = await sent(door, a_form(("a.bin", bytes(1001))))
        assert await error_of(answer) == (413, "body_too_large", "files")


async def test_all_files_together_are_bounded() -> None:
    files = [(f"{number}.bin", bytes(999)) for number in range(31)]
    form = a_form(*files, body=json.dumps(a_request(padding="x" * 80_000)))
    async with opened(services()) as door:
        answer = await sent(door, form)
        assert (await error_of(answer))[:2] == (413, "body_too_large")


async def test_too_many_files_are_refused() -> None:
    async with opened(services()) as door:
        answer = await sent(door, a_form(*[("a", b"x")] * 33))
        assert await error_of(answer) == (400, "invalid_request", "files")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"--x"),
        ("multipart/form-data; boundary=x", b"no form at all"),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken\r\n\r\ndata\r\n--x--"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\nendless"),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y--\r\n--x--",
        ),
    ],
)
async def test_a_broken_form_is_refused(kind: str, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": kind}
    async with opened(services()) as door:
        answer = await door.ask("POST", "/v1/chat/completions", data=body, headers=headers)
        assert (await error_of(answer))[:2] == (400, "invalid_request")


async def test_thoughts_stand_beside_the_answer_for_those_who_ask() -> None:
    script = [ReasoningDelta("h"), ReasoningDelta("m"), TextDelta("Hello world")]
    async with opened(services(turns=FakeTurns(turn=ScriptedTurn(script=script)))) as door:
        silent = await (await door.chat()).json()
        asked = await (await door.chat(a_request(codara_reasoning=True))).json()
    assert "reasoning_content" not in silent["choices"][0]["message"]
    assert asked["choices"][0]["message"]["reasoning_content"] == "hm"
