"""What a jail is made from: frozen values, and the digest by which a policy is known."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import attrs

BROKER_PORT = 8377
PROXY_PORT = 3128
HOME_INSIDE = Path("/home/codara")

MIB = 1024 * 1024
GIB = 1024 * MIB

Observer = Callable[[int, Mapping[str, str]], None]
Hear = Callable[[bytes], None]
Listen = Callable[[str, int], Hear | None]
Refused = Callable[[str, str], None]
Fresh = Callable[[str], Awaitable["Lending"]]


@attrs.frozen(kw_only=True)
class JailLimits:
    """Bytes and counts; `memory` None sets no bound of its own."""

    memory: int | None = 2 * GIB
    processes: int = 256
    file_size: int = 2 * GIB
    open_files: int = 1024
    tmp: int = 256 * MIB
    shm: int = 64 * MIB


@attrs.frozen(kw_only=True)
class JailSpec:
    """One jail.

    `workspace` has the same absolute path inside as on the host; `home` is the host's path of the
    private home, which the agent knows by the name `inner_home` gave. `program_dirs` are bound
    read-only at their own paths. `env` is added to the jail's own few variables; nothing of the
    gateway's environment gets in. `allow_hosts` (`host`, `host:port`, `*.domain`) may be reached
    through the jail's proxy.
    """

    jail_id: str
    workspace_id: str
    runtime: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    workspace: Path
    home: Path
    read_only_workspace: bool = False
    program_dirs: tuple[Path, ...] = ()
    allow_hosts: tuple[str, ...] = ()
    limits: JailLimits = attrs.field(factory=JailLimits)

    def policy_digest(self, *, mode: str, ports: tuple[int, ...]) -> str:
        """SHA-256 of what this jail may and may not; neither ids nor secrets are part of it."""
        policy = {
            "mode": mode,
            "runtime": self.runtime,
            "program": self.argv[0],
            "read_only_workspace": self.read_only_workspace,
            "program_dirs": sorted(str(path) for path in self.program_dirs),
            "allow_hosts": sorted(self.allow_hosts),
            "ports": sorted(ports),
            "limits": attrs.asdict(self.limits),
        }
        return hashlib.sha256(json.dumps(policy, sort_keys=True).encode()).hexdigest()


@attrs.frozen(kw_only=True)
class Lending:
    """The account a jail's requests are made with, for as long as it is lent.

    `base_url` is the only place they go: scheme, host, port and path prefix. The secret is sent as
    `header: scheme secret` (`header: secret` when `scheme` is empty), `headers` besides it.
    `observe` is called with the status and the lower-case headers of every answer, on the event
    loop; it must not block or raise. `listen`, under the same terms, is called with the path and
    the status of every answer, and may give who is to hear its body, piece by piece.
    `refused`, under the same terms, is called with the path and the code of every refusal that is
    the broker's own.
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
