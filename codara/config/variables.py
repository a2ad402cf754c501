"""Variables with our prefix that nothing reads: most likely typing errors."""

import difflib
from collections.abc import Collection, Mapping, Sequence

from codara.config.fields import Setting

PREFIXES = ("UAG_", "CODARA_")
_CLOSE = 0.8


def unknown_variables(
    environ: Mapping[str, str], known: Sequence[Setting], others: Collection[str]
) -> list[str]:
    """Returns a warning for each unknown variable with our prefix, without its value.

    `others` are the names that are read although no setting has them. An empty variable counts as
    not set.
    """
    names = {name for setting in known for name in setting.env} | set(others)
    meant = _meant(known, others)
    odd = (name for name in sorted(environ) if name.startswith(PREFIXES) and name not in names)
    return [_warning(name, meant) for name in odd if environ[name]]


def _warning(name: str, meant: Mapping[str, str]) -> str:
    close = difflib.get_close_matches(name, sorted(meant), 1, _CLOSE)
    hint = f"; did you mean {meant[close[0]]}?" if close else ""
    return f"environment {name}: nothing reads this variable{hint}"


def _meant(known: Sequence[Setting], others: Collection[str]) -> dict[str, str]:
    """Maps what people may write to the real name: with either prefix, with or without a block."""
    meant = {
        f"{prefix}{rest}": setting.env[0]
        for setting in known
        for rest in (setting.path.replace(".", "_").upper(), setting.env[0].partition("_")[2])
        for prefix in PREFIXES
    }
    return (
        meant
        | {name: name for setting in known for name in setting.env}
        | dict(zip(others, others, strict=True))
    )
