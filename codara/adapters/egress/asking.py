"""Asking the provider: once, or once more where the secret that was lent has worn out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from yarl import URL

from codara.adapters.egress import forwarding
from codara.adapters.egress.lending import Lending
from codara.adapters.egress.reaching import foreign

LONGEST_HELD = 4 * 1024 * 1024
_WORN_OUT = 401

Asked = tuple[Lending, aiohttp.ClientResponse]
Body = aiohttp.StreamReader | bytes | None


@asynccontextmanager
async def asked(
    session: aiohttp.ClientSession, request: web.BaseRequest, lending: Lending, url: URL
) -> AsyncIterator[Asked]:
    """The provider's answer to a jail's request, and the lending with which it was asked.

    A request on a secret that can be refreshed is held, if it is not too long, so that it can be
    made once more.
    """
    first = lending if lending.fresh is None else await lending.fresh("")
    again = first.fresh if _can_be_held(request) else None
    body: Body = _streamed(request) if again is None else await request.content.read()
    async with _made(session, request, first, url, body) as answer:
        if again is None or answer.status != _WORN_OUT or foreign(answer):
            yield first, answer
            return
        second = await again(first.secret)
        if second.secret == first.secret:
            yield first, answer
            return
    async with _made(session, request, second, url, body) as answer:
        yield second, answer


def _made(
    session: aiohttp.ClientSession,
    request: web.BaseRequest,
    lending: Lending,
    url: URL,
    body: Body,
) -> "aiohttp.client._RequestContextManager":
    return session.request(
        request.method,
        url,
        headers=forwarding.request_headers(request.headers, lending),
        data=body,
        allow_redirects=False,
    )


def _can_be_held(request: web.BaseRequest) -> bool:
    if not request.can_read_body:
        return True
    return request.content_length is not None and request.content_length <= LONGEST_HELD


def _streamed(request: web.BaseRequest) -> aiohttp.StreamReader | None:
    return request.content if request.can_read_body else None
