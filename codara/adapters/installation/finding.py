"""Finding: what of an installation is in a data folder, before anything is opened or made."""

from collections.abc import Mapping
from pathlib import Path

import attrs

from codara.adapters.installation.marks import MARKED, mark_of
from codara.adapters.installation.untouched import KEYS_FILE, filled
from codara.adapters.vault.looking import VaultFound, look_at_vault
from codara.events.store.seen import LogFound, look


@attrs.frozen(kw_only=True)
class Inventory:
    """What there is. `log` and `vault` are None where the file is missing or has nothing in it."""

    log_path: Path
    keys_path: Path
    log: LogFound | None = None
    vault: VaultFound | None = None
    marks: Mapping[str, str | None] = attrs.field(factory=dict)
    """The id that each folder bears which should bear one."""
    old: tuple[str, ...] = ()
    """The folders that hold something of a gateway."""


def find(data_dir: Path, log_path: Path) -> Inventory:
    """Looks at everything; LogDamaged if log or vault cannot be read as what it is. Blocks."""
    keys_path = data_dir / KEYS_FILE
    vault = look_at_vault(keys_path)
    seen = vault.seen if vault else None
    return Inventory(
        log_path=log_path,
        keys_path=keys_path,
        vault=vault,
        log=look(log_path, seen.position if seen else 0),
        marks={name: mark_of(data_dir / name) for name in MARKED},
        old=filled(data_dir),
    )
