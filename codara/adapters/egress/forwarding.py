"""How one request of a jail becomes one request to the provider, and its answer comes back."""

import hmac
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from codara.adapters.egress.lending import Hear, Lending
from codara.adapters.egress.mask import Mask

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
LAST_PORT = 65535
KEY_HEADERS = ("authorization", "x-api-key", "x-goog-api-key", "api-key")
NOT_SENT = HOP_BY_HOP | frozenset(KEY_HEADERS) | {"host", "accept-encoding", "cookie", "forwarded"}
NOT_RETURNED = HOP_BY_HOP | {"set-cookie", "alt-svc"}


def shows_token(headers: Mapping[str, str], token: str) -> bool:
    """True if one of the headers that carry keys holds the jail's token."""
    values = (headers.get(name, "") for name in KEY_HEADERS)
    shown = (value.removeprefix("Bearer ").strip() for value in values)
    raw = (value.encode("utf-8", "surrogateescape") for value in shown)
    return any(hmac.compare_digest(value, token.encode()) for value in raw)


def foreign_target(request: web.BaseRequest) -> tuple[str, int] | None:
    """Host and port a request in absolute form asks for; None for the usual form.

    The port is 0 if it is not a port.
    """
    target = request.raw_path
    if request.method == "CONNECT":
        name, _, digits = target.rpartition(":")
        return name or target, _port(digits) if digits else 443
    if target.startswith("/"):
        return None
    try:
        parts = urlsplit(target)
        host, port = parts.hostname or target, parts.port or 80
    except ValueError:
        return target, 0
    return host, port


def _port(digits: str) -> int:
    known = digits.isascii() and digits.isdecimal() and len(digits) <= len(str(LAST_PORT))
    return int(digits) if known and int(digits) <= LAST_PORT else 0


def target(base_url: str, raw_path: str) -> URL | None:
    """The base URL with the request's path appended; None if the path could climb out of it."""
    path, _, query = raw_path.partition("?")
    plain = unquote(unquote(path)).replace("\\", "/")
    if any(segment in {".", ".."} for segment in plain.split("/")) or "#" in raw_path:
        return None
    joined = base_url.rstrip("/") + path + (f"?{query}" if query else "")
    return URL(joined, encoded=True)


def request_headers(headers: Mapping[str, str], lending: Lending) -> CIMultiDict[str]:
    """What the agent sent, its token and the connection's own headers replaced by the real key."""
    left_out = NOT_SENT | _named_by_connection(headers)
    kept = CIMultiDict(
        (name, text) for name, text in headers.items() if name.lower() not in left_out
    )
    kept["Accept-Encoding"] = "identity"
    kept.update(lending.headers)
    kept[lending.header] = f"{lending.scheme} {lending.secret}".strip()
    return kept


def response_head(upstream: aiohttp.ClientResponse, mask: Mask) -> web.StreamResponse:
    """Status and headers of the provider's answer, for the agent."""
    left_out = NOT_RETURNED | _named_by_connection(upstream.headers)
    answer = web.StreamResponse(status=upstream.status, reason=upstream.reason)
    for name, text in upstream.headers.items():
        if name.lower() not in left_out:
            answer.headers.add(name, mask.text(text))
    return answer


async def stream(
    upstream: aiohttp.ClientResponse,
    answer: web.StreamResponse,
    mask: Mask,
    hear: Hear | None = None,
) -> None:
    """Passes the body on as it comes; `hear` gets each piece first."""
    async for chunk in upstream.content.iter_any():
        if hear is not None:
            hear(chunk)
        if passed := mask.feed(chunk):
            await answer.write(passed)
    if rest := mask.rest():
        await answer.write(rest)
    await answer.write_eof()


def observe(lending: Lending, upstream: aiohttp.ClientResponse) -> None:
    """Tells the lender what the provider says of rate limits and quota."""
    if lending.observe is not None:
        headers = {name.lower(): text for name, text in upstream.headers.items()}
        lending.observe(upstream.status, headers)


def _named_by_connection(headers: Mapping[str, str]) -> set[str]:
    return {name.strip().lower() for name in headers.get("connection", "").split(",")}
