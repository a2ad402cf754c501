"""Facts of a jail: one agent process and everything it started."""

from typing import ClassVar

import attrs

from codara.events.base import Event


@attrs.frozen(kw_only=True)
class JailStarted(Event):
    """`inner_pid` and `start_time` (clock ticks since boot) together find the process again.

    `workspace_id` is `visit_<runtime>`, which is nobody's, where an agent was asked for its models.
    """

    name: ClassVar[str] = "jail.started"
    jail_id: str
    workspace_id: str
    runtime: str
    inner_pid: int
    start_time: int
    boot_id: str
    policy: str
    """SHA-256 of the policy the jail was made by."""
    limits: tuple[str, ...]
    jailed: bool


@attrs.frozen(kw_only=True)
class JailExited(Event):
    name: ClassVar[str] = "jail.exited"
    jail_id: str
    exit_code: int | None
    egress: dict[str, int]
    """Requests let out, by host and port; by `others` beyond a hundred."""


@attrs.frozen(kw_only=True)
class JailKilled(Event):
    name: ClassVar[str] = "jail.killed"
    jail_id: str
    reason: str


@attrs.frozen(kw_only=True)
class EgressDenied(Event):
    """A connection the jail may not make; one event per host, port and jail."""

    name: ClassVar[str] = "jail.egress_denied"
    jail_id: str
    host: str
    port: int
