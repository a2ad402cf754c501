"""Reaching the provider: what went wrong on the way, and which answers are not its own."""

import ipaddress
import os
import socket
import ssl

import aiohttp

_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_OF_NETWORKS = frozenset({407, 511})
"""Statuses by which a proxy or a network asks who is there."""
_OF_CREDENTIALS = frozenset({401, 403})
_REDIRECTS = range(300, 400)


class ForeignAnswer(Exception):
    """Something between the gateway and the provider has answered in the provider's place."""


def foreign(answer: aiohttp.ClientResponse) -> str:
    """Returns why an answer is not the provider's own; empty if it is.

    A page and a redirect are not, as its API has none. A refusal of the credential is JSON, or
    says by `WWW-Authenticate` what it wants.
    """
    status, kind = answer.status, answer.content_type
    what = f"the answer is not its own ({status}, {kind})"
    if status in _OF_NETWORKS or (status in _REDIRECTS and "Location" in answer.headers):
        return what
    if "WWW-Authenticate" in answer.headers:
        return ""
    if kind in _PAGES or (status in _OF_CREDENTIALS and not kind.endswith("json")):
        return what
    return ""


def refuse_foreign(answer: aiohttp.ClientResponse) -> None:
    """Raises ForeignAnswer if an answer is not the provider's own."""
    if strange := foreign(answer):
        raise ForeignAnswer(strange)


def failed(failure: Exception) -> str:
    """Returns what went wrong when the provider was asked, in a few words."""
    match failure:
        case ForeignAnswer():
            return str(failure)
        case aiohttp.ClientConnectorDNSError() | socket.gaierror():
            return "its name is not resolved"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return f"TLS fails{_certificate(failure)}"
        case TimeoutError():
            return "the connection times out"
        case aiohttp.ClientConnectorError():
            number = failure.os_error.errno
            return "the connection fails" + (f" ({os.strerror(number)})" if number else "")
        case _:
            return "the connection breaks off before an answer"


def sentence(host: str, what: str) -> str:
    """Returns what a caller is told; an address of this machine is nothing for callers."""
    named = "the provider's server" if _is_here(host) else host
    return f"The gateway cannot reach {named}: {what}. Try again shortly."


def _certificate(failure: Exception) -> str:
    error = getattr(failure, "certificate_error", failure)
    why = getattr(error, "verify_message", "")
    return f" ({why})" if why else ""


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost"
