"""The one client session all brokers share: it trusts no environment and keeps no cookies."""

import aiohttp

CONNECT_SECONDS = 15.0
MOST_PER_HOST = 256


def outgoing_session() -> aiohttp.ClientSession:
    """A session for streaming: no time-out but that of connecting, bodies left as they are."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, limit_per_host=MOST_PER_HOST),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )
