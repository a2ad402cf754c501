"""What is said of a provider that the gateway cannot reach."""

import socket
import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from codara.adapters.egress import reaching

KEY = ConnectionKey("api.example.org", 443, True, True, None, None, None)


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (
            aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "Name or service not known")),
            "its name is not resolved",
        ),
        (socket.gaierror(-2, "Name or service not known"), "its name is not resolved"),
        (
            aiohttp.ClientConnectorError(KEY, OSError(111, "Connect call failed ('10.0.0.1', 1)")),
            "the connection fails (Connection refused)",
        ),
        (aiohttp.ClientConnectorError(KEY, OSError("Multiple exceptions")), "the connection fails"),
        (aiohttp.ClientConnectorSSLError(KEY, OSError(1, "bad")), "TLS fails"),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), "TLS fails"),
        (aiohttp.ConnectionTimeoutError(), "the connection times out"),
        (aiohttp.ServerDisconnectedError(), "the connection breaks off before an answer"),
        (ConnectionResetError(), "the connection breaks off before an answer"),
    ],
)
def test_what_failed_is_told_without_an_address(failure: Exception, said: str) -> None:
    assert reaching.failed(failure) == said


def test_the_host_is_named() -> None:
    assert reaching.sentence("api.example.org", "its name is not resolved") == (
        "The gateway cannot reach api.example.org: its name is not resolved. Try again shortly."
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "LOCALHOST."])
def test_an_address_of_this_machine_is_not(host: str) -> None:
    said = reaching.sentence(host, "TLS fails")
    assert said == "The gateway cannot reach the provider's server: TLS fails. Try again shortly."
