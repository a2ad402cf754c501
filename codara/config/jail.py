"""What holds an agent: the block `[jail]` of `codara.toml`."""

import attrs

from codara.config.fields import GIB, MIB, setting


@attrs.frozen(kw_only=True)
class JailSettings:
    """The limits of a jail, and which hosts an agent may reach."""

    mode: str = setting(
        "bwrap",
        "`bwrap`, or `unsafe`: no jail, only together with `serve --i-accept-unjailed`.",
        env=["CODARA_JAIL_MODE"],
        choices=["bwrap", "unsafe"],
    )
    network: str = setting(
        "proxy",
        "`proxy`: the provider and the allowed hosts; `none`: nothing at all.",
        choices=["proxy", "none"],
    )
    allow_hosts: tuple[str, ...] = setting(
        (), "Hosts (`name` or `name:port`) every agent may reach."
    )
    uid: int = setting(10001, "User id of the agents when the gateway is root.", least=1)
    memory: int = setting(2 * GIB, "Memory of one jail.", size=True, least=64 * MIB)
    total_memory: int = setting(
        8 * GIB,
        "Memory of all agents together: above it idle ones are ended, the longest unused first.",
        size=True,
        least=64 * MIB,
    )
    processes: int = setting(256, "Processes and threads of one jail.", least=16)
    file_size: int = setting(2 * GIB, "Largest file an agent may write.", size=True, least=1)
