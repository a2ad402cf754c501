"""The ways in which a request's body may be compressed (its `Content-Encoding`)."""

from typing import Final

from aiohttp import web

UNPACKED: Final = ("gzip", "deflate")
"""What the server undoes before a body is read."""
_AS_IT_IS: Final = frozenset({"", "identity"})


def refuse_unknown_encoding(request: web.Request) -> None:
    """Raises the refusal (415) of a body that is compressed in a way the server cannot undo."""
    named = ",".join(request.headers.getall("Content-Encoding", [])).strip().lower()
    if named not in _AS_IT_IS and named not in UNPACKED:
        raise unsupported()


def unsupported() -> web.HTTPUnsupportedMediaType:
    """Returns the refusal; its `Accept-Encoding` says what would be taken (RFC 9110, 15.5.16)."""
    return web.HTTPUnsupportedMediaType(
        text=f"A body may be compressed with {' or '.join(UNPACKED)}, or not at all; "
        "this Content-Encoding is unknown here.",
        headers={"Accept-Encoding": ", ".join(UNPACKED)},
    )
