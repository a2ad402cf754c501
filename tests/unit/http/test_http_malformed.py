"""Whatever somebody without a key sends: it is answered, and the log hears nothing of it."""

import asyncio
import io

import aiohttp
import pytest
from http_with_fakes import opened, services

from tests.fakes.users import KEY
from tests.malformed import REQUESTS


@pytest.mark.parametrize("sent", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("key", ["", KEY])
async def test_a_malformed_request_is_refused_and_leaves_no_line_in_the_log(
    sent: bytes, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    keyed = sent.replace(b"Host: x\r\n", f"Host: x\r\nx-api-key: {key}\r\n".encode(), 1)
    async with opened(services()) as door:
        host, port = door.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(keyed.replace(b" /v1/x ", b" /v1/chat/completions "))
        head = await asyncio.wait_for(reader.readline(), 5)
        writer.close()
        assert 400 <= int(head.split()[1]) < 500
        await asyncio.sleep(0.05)
    assert caplog.text == ""


MANY = b'{"messages":[' + b"{}," * 1_100_000 + b"{}]}"
DEEP = b'{"messages":' + b"[" * 300 + b"]" * 300 + b"}"


@pytest.mark.parametrize(
    ("body", "said"),
    [(MANY, "more than 1,000,000 values"), (DEEP, "nested deeper than 200 levels")],
)
async def test_a_body_that_holds_too_much_is_refused_with_its_bound(body: bytes, said: str) -> None:
    bundle = services()
    bundle.settings.server.max_body_bytes = 10_000_000
    async with opened(bundle) as door:
        headers = {"Authorization": f"Bearer {KEY}"}
        plain = await door.ask(
            "POST", "/v1/chat/completions", data=io.BytesIO(body), headers=headers
        )
        form = aiohttp.MultipartWriter("form-data")
        form.append(io.BytesIO(body)).set_content_disposition("form-data", name="payload")
        upload = await door.ask("POST", "/v1/chat/completions", data=form, headers=headers)
        for answer in (plain, upload):
            assert answer.status == 400
            assert said in (await answer.json())["error"]["message"]
