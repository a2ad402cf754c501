"""Facts of a jail: one agent process and everything it started."""

from typing import ClassVar

import attrs

from codara.events.base import Event


@attrs.frozen(kw_only=True)
class JailStarted(Event):
    """A jail runs: `inner_pid` and `start_time` (clock ticks since boot) identify its process.

    `workspace_id` is `visit_<runtime>`, a workspace that does not exist, where the agent was
    started only to be asked for its models.
    """

    name: ClassVar[str] = "jail.started"
    jail_id: str
    workspace_id: str
    runtime: str
    inner_pid: int
    start_time: int
    boot_id: str
    policy: str
    """SHA-256 of the policy that the jail was made with."""
    limits: tuple[str, ...]
    jailed: bool


@attrs.frozen(kw_only=True)
class JailExited(Event):
    name: ClassVar[str] = "jail.exited"
    jail_id: str
    exit_code: int | None
    egress: dict[str, int]
    """Requests that were let out, by host and port; those beyond a hundred count as `others`."""


@attrs.frozen(kw_only=True)
class JailKilled(Event):
    name: ClassVar[str] = "jail.killed"
    jail_id: str
    reason: str


@attrs.frozen(kw_only=True)
class EgressDenied(Event):
    """A connection that the jail may not make; one event for each host, port and jail."""

    name: ClassVar[str] = "jail.egress_denied"
    jail_id: str
    host: str
    port: int
