"""What a jail is made from: frozen values, and the digest by which a policy is known."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import attrs

from codara.adapters.jail.wayout import WayOut

HOME_INSIDE = Path("/home/codara")

MIB = 1024 * 1024
GIB = 1024 * MIB


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

    `workspace` has the same absolute path inside as on the host, or is `seen_at` another one, which
    only walls make possible; `home` is the host's path of the
    private home, which the agent knows by the name `inner_home` gave. `program_dirs` are bound
    read-only at their own paths. The program begins in the workspace, or in the folder `begins_in`
    where one is named, which the jail has to have. `env` is added to the jail's own few variables,
    and to those of its way out; nothing of the gateway's environment gets in.
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
    begins_in: Path | None = None
    seen_at: Path | None = None
    limits: JailLimits = attrs.field(factory=JailLimits)

    def policy_digest(self, *, mode: str, way_out: WayOut) -> str:
        """SHA-256 of what this jail may and may not; neither ids nor secrets are part of it."""
        policy = {
            "mode": mode,
            "runtime": self.runtime,
            "program": self.argv[0],
            "read_only_workspace": self.read_only_workspace,
            "program_dirs": sorted(str(path) for path in self.program_dirs),
            "allow_hosts": sorted(way_out.allow_hosts),
            "ports": sorted(way_out.ports),
            "limits": attrs.asdict(self.limits),
        }
        return hashlib.sha256(json.dumps(policy, sort_keys=True).encode()).hexdigest()
