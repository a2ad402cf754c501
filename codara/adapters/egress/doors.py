"""What an agent has to know of its way out before its jail exists: addresses and a token."""

import contextlib
import secrets
from typing import Self

import attrs

from codara.adapters.jail.network import LOOPBACK, listen
from codara.adapters.jail.wayout import Listeners

BROKER_PORT = 8377
PROXY_PORT = 3128
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@attrs.frozen(kw_only=True)
class Doors:
    """The ports a jail's agent sees on its loopback, and the key it has to show there.

    `token` is made for one jail and worth nothing elsewhere.
    """

    token: str = attrs.field(repr=False)
    ports: tuple[int, ...]
    listeners: Listeners = attrs.field(factory=dict, repr=False)
    """Sockets that exist already, by port; a jail with a network of its own makes them later."""

    @classmethod
    def inside(cls, ports: tuple[int, ...]) -> Self:
        """Doors in a network namespace that is still to come."""
        return cls(token=secrets.token_urlsafe(32), ports=ports)

    @classmethod
    def on_host(cls, ports: tuple[int, ...]) -> Self:
        """Doors on the host's own loopback, at ports the kernel chooses."""
        listeners = {port: listen(0) for port in ports}
        return cls(token=secrets.token_urlsafe(32), ports=ports, listeners=listeners)

    def endpoint(self, port: int = BROKER_PORT) -> str:
        """Returns the base URL the agent is configured with, without a slash at its end."""
        listener = self.listeners.get(port)
        actual = listener.getsockname()[1] if listener else port
        return f"http://{LOOPBACK}:{actual}"

    def proxy_environment(self) -> dict[str, str]:
        """Returns the variables by which tools find the jail's proxy; empty without a proxy."""
        if PROXY_PORT not in self.ports:
            return {}
        proxies = dict.fromkeys(PROXY_VARIABLES, self.endpoint(PROXY_PORT))
        variables = proxies | {"NO_PROXY": f"{LOOPBACK},localhost,::1"}
        return variables | {name.lower(): value for name, value in variables.items()}

    def close(self) -> None:
        """Gives the sockets back; harmless when done twice."""
        for listener in self.listeners.values():
            with contextlib.suppress(OSError):
                listener.close()
