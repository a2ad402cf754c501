"""Lending: the account with which a jail's requests are made, and who hears of the answers."""

from collections.abc import Awaitable, Callable, Mapping

import attrs

Observer = Callable[[int, Mapping[str, str]], None]
Hear = Callable[[bytes], None]
Listen = Callable[[str, int], Hear | None]
Refused = Callable[[str, str, str], None]
Fresh = Callable[[str], Awaitable["Lending"]]


@attrs.frozen(kw_only=True)
class Lending:
    """The account a jail's requests are made with, for as long as it is lent.

    `base_url` is the only place they go: scheme, host, port and path prefix. The secret is sent as
    `header: scheme secret` (`header: secret` when `scheme` is empty), `headers` besides it.
    `observe` is called with the status and the lower-case headers of every answer, on the event
    loop; it must not block or raise. `listen`, under the same terms, is called with the path and
    the status of every answer, and may give who is to hear its body, piece by piece.
    `refused`, under the same terms, is called with the path and the code of every refusal that is
    the broker's own, and with what a caller may be told of it.
    `broken`, under the same terms, is called when an answer broke off before its end.
    `fresh`, where the secret wears out, gives the lending for the next request; it is told which
    secret the provider refused, if any, and raises AgentFailed where there is no other.
    """

    base_url: str
    secret: str = attrs.field(repr=False)
    header: str = "Authorization"
    scheme: str = "Bearer"
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    observe: Observer | None = attrs.field(default=None, repr=False)
    listen: Listen | None = attrs.field(default=None, repr=False)
    refused: Refused | None = attrs.field(default=None, repr=False)
    broken: Callable[[], None] | None = attrs.field(default=None, repr=False)
    fresh: Fresh | None = attrs.field(default=None, repr=False)
