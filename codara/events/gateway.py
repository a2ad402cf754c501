"""Facts of the gateway itself and of its log."""

from typing import ClassVar

import attrs

from codara.events.base import Event


@attrs.frozen(kw_only=True)
class LogOpened(Event):
    """The first event of every log."""

    name: ClassVar[str] = "log.opened"
    log_id: str
    format: int


@attrs.frozen(kw_only=True)
class LogVaultNoted(Event):
    """The vault's keys and credentials had been changed this often by then.

    A vault that counts fewer changes is an older copy.
    """

    name: ClassVar[str] = "log.vault_noted"
    changes: int


@attrs.frozen(kw_only=True)
class GatewayStarted(Event):
    name: ClassVar[str] = "gateway.started"
    gateway_id: str
    codara_version: str
    jail: str
    """`bwrap` or `unsafe`."""
    config_digest: str


@attrs.frozen(kw_only=True)
class GatewayRecovered(Event):
    """The gateway ended what its predecessor had left behind: `turns` and `jails` are their ids."""

    name: ClassVar[str] = "gateway.recovered"
    gateway_id: str
    turns: tuple[str, ...]
    jails: tuple[str, ...]


@attrs.frozen(kw_only=True)
class GatewayFoldersMissing(Event):
    """A start found folders of the data folder gone (`trees`, `homes`) and made them again."""

    name: ClassVar[str] = "gateway.folders_missing"
    gateway_id: str
    folders: tuple[str, ...]


@attrs.frozen(kw_only=True)
class GatewayStopped(Event):
    name: ClassVar[str] = "gateway.stopped"
    gateway_id: str
