"""Judging: whether what was found belongs together, and what it means if it does not."""

from pathlib import Path

import attrs

from codara.adapters.installation.finding import Inventory
from codara.adapters.vault.looking import VaultFound
from codara.errors import DataMismatch
from codara.events.store.seen import LogFound, SeenEvent
from codara.events.vocabulary import Loss

_BEGIN_AGAIN = "To begin again without it, give the gateway an empty data folder"
_ACCEPT = "`codara serve --accept-loss` goes on with what is there and records what was found"


@attrs.frozen(kw_only=True)
class Verdict:
    """How a start goes on: `losses` were accepted, `missing` folders are made again."""

    is_known: bool
    """False if the vault has no id yet: the first start, or the first one of this version."""
    losses: tuple[Loss, ...] = ()
    missing: tuple[str, ...] = ()
    seen: SeenEvent | None = None
    """The last event of the log that the vault had seen."""
    found: int = 0
    """The last position of the log."""
    vault_noted: int = 0
    """How often the vault had been changed, as the log knows."""
    vault_found: int = 0
    """How often the vault says that it was changed."""


def judge(found: Inventory, *, accept_loss: bool) -> Verdict:
    """Returns how to go on; DataMismatch if what is there does not belong together.

    With `accept_loss` a log or a vault may be older than what the other one has seen of it.
    """
    log, vault = found.log, found.vault
    if vault is None:
        if log is None and not found.old:
            return Verdict(is_known=False)
        raise _no_vault(found)
    if log is None:
        if vault.log_id is None and not vault.has_sealed and not found.old:
            return Verdict(is_known=False, vault_found=vault.changes)
        raise _no_log(found, vault)
    _refuse_foreign(found, log, vault)
    losses = _losses(log, vault)
    if losses and not accept_loss:
        raise _lost(found, log, vault, losses)
    is_known = vault.log_id is not None
    missing = tuple(name for name, bears in found.marks.items() if bears is None)
    return Verdict(
        is_known=is_known,
        losses=losses,
        missing=missing if is_known else (),
        seen=vault.seen,
        found=log.head,
        vault_noted=log.vault_changes,
        vault_found=vault.changes,
    )


def _losses(log: LogFound, vault: VaultFound) -> tuple[Loss, ...]:
    """An event that is missing in the middle of the log is damage; the log itself tells of that."""
    losses: list[Loss] = []
    if vault.seen is not None and log.head < vault.seen.position:
        losses.append("log_shorter")
    elif vault.seen is not None and log.there not in (None, vault.seen):
        losses.append("log_other")
    if vault.changes < log.vault_changes:
        losses.append("vault_older")
    return tuple(losses)


def _refuse_foreign(found: Inventory, log: LogFound, vault: VaultFound) -> None:
    if vault.log_id not in (None, log.log_id):
        raise DataMismatch(
            f"{found.log_path} is of installation {log.log_id}, but {found.keys_path} is of"
            f" {vault.log_id}: nothing private in the log could be read. Put back the two files"
            " that belong together, from one backup"
        )
    for name, bears in found.marks.items():
        if bears not in (None, log.log_id):
            raise DataMismatch(
                f"{found.keys_path.parent / name} is of installation {bears}, but"
                f" {found.log_path} is of {log.log_id}. Put back the folder that belongs to it,"
                " or move this one away: a missing one is made again"
            )


def _no_vault(found: Inventory) -> DataMismatch:
    keys = found.keys_path
    beside = str(found.log_path) if found.log else _listed(found)
    wanted = keys.name if found.log else f"{keys.name} and {found.log_path.name}"
    return DataMismatch(
        f"{keys} is {_absence(keys)}, but {beside} is here: only that file has the keys"
        f" of everything private in the log, and the accounts' credentials. Put {wanted} back from"
        " one backup (with the -wal files beside them, if it has any); --accept-loss does not help"
        f" here. {_BEGIN_AGAIN}"
    )


def _no_log(found: Inventory, vault: VaultFound) -> DataMismatch:
    log = found.log_path
    whose = f" of installation {vault.log_id}" if vault.log_id else ""
    how_far = f", and had come to position {vault.seen.position:,}" if vault.seen else ""
    return DataMismatch(
        f"{log} is {_absence(log)}, but {found.keys_path}{whose} is here: every user, key,"
        f" session and task is in that log{how_far}. Put {log.name} back from the newest backup"
        f" (with {log.name}-wal, if it has one); if that is older, `codara serve --accept-loss`"
        f" takes it. {_BEGIN_AGAIN}"
    )


def _lost(
    found: Inventory, log: LogFound, vault: VaultFound, losses: tuple[Loss, ...]
) -> DataMismatch:
    seen = vault.seen.position if vault.seen else 0
    words = {
        "log_shorter": f"{found.log_path} ends at position {log.head:,}, but it had come"
        f" to {seen:,}: what was recorded behind that is not in it. It is an older copy, or its"
        f" {found.log_path.name}-wal is gone",
        "log_other": f"{found.log_path} has another event at position {seen:,} than the one that"
        " was there: it is an older copy that went another way",
        "vault_older": f"{found.keys_path} is an older copy: {log.vault_changes:,} changes of its"
        f" keys and credentials were made, and it has {vault.changes:,}. What was sealed since"
        " cannot be read",
    }
    what = "; ".join(words[each] for each in losses)
    files = f"{found.log_path.name} and {found.keys_path.name}"
    return DataMismatch(
        f"{what}. Put back the newest {files}, with their -wal files; if there are none, {_ACCEPT}"
    )


def _absence(file: Path) -> str:
    return f"empty (perhaps its {file.name}-wal is gone)" if file.exists() else "missing"


def _listed(found: Inventory) -> str:
    folder = found.keys_path.parent
    return ", ".join(str(folder / name) for name in found.old)
