"""A setting: an attrs field that carries its meaning, its environment names and its limits."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from codara.runtimes import RUNTIMES

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
NOT_YET = "not in this version"
_WITHOUT_LOGINS = {known.name for known in RUNTIMES if not known.logins}


def setting(
    default: Any,
    meaning: str,
    *,
    env: Sequence[str] = (),
    choices: Sequence[str] = (),
    least: float | None = None,
    most: float | None = None,
    size: bool = False,
    secret: bool = False,
    placed: bool = False,
    program: bool = False,
    shown: str | None = None,
    later: bool = False,
    refused: str = "",
    for_logins: bool = False,
) -> Any:
    """Returns an attrs field with this default, and with the rules of a setting.

    `env` are its names in the environment; the first that is set wins. `least` and `most` bound a
    number. `size`: a number of bytes that may be written ``16 MiB``. `placed`: a path that is
    relative to `server.data_dir` unless somebody sets it. `program`: a path if it contains a slash,
    else a name on PATH. `secret`: the value is masked wherever it is shown. `shown` is printed for
    a default that depends on the machine. `later`: nothing reads it in this version. `refused` says
    why a `later` setting may not even be set, except to false or to nothing. `for_logins`: nothing
    reads it for a provider without logins of its own.
    """
    rules = {
        "meaning": meaning,
        "env": tuple(env),
        "choices": tuple(choices),
        "least": least,
        "most": most,
        "size": size,
        "secret": secret,
        "placed": placed,
        "program": program,
        "shown": shown,
        "later": later,
        "refused": refused,
        "for_logins": for_logins,
    }
    return attrs.field(default=default, metadata={"setting": rules})


@attrs.frozen(kw_only=True)
class Setting:
    """One key of the configuration: ``block.key``, its type, its rules and its meaning."""

    block: str
    key: str
    type: Any
    default: Any
    meaning: str
    env: tuple[str, ...]
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    size: bool = False
    secret: bool = False
    placed: bool = False
    program: bool = False
    shown: str | None = None
    later: bool = False
    refused: str = ""

    @property
    def path(self) -> str:
        """Returns the full name, such as ``providers.codex.binary``."""
        return f"{self.block}.{self.key}"

    @property
    def about(self) -> str:
        """Returns the meaning, and whether the setting works in this version."""
        if not self.later:
            return self.meaning
        which = "true" if self.type is bool else "setting it"
        what = f"; {which} stops the start" if self.refused else ""
        return f"{self.meaning} {NOT_YET.capitalize()}{what}."

    def refuses(self, value: Any) -> bool:
        """Tells whether a gateway must not start with this value, given by file or environment."""
        return bool(self.refused) and value is not False and value is not None

    def written(self) -> str:
        """Returns the default as people read it; empty if there is no default."""
        return self.shown or written(self.default, size=self.size)


def settings_of(block: attrs.AttrsInstance, name: str = "") -> Iterator[Setting]:
    """Yields every setting of a block and of the blocks inside it, in the order of their fields.

    The values in `block` are taken as the defaults.
    """
    for field in attrs.fields(type(block)):
        value = getattr(block, field.name)
        if attrs.has(type(value)):
            yield from settings_of(value, f"{name}.{field.name}" if name else field.name)
        else:
            yield _setting(name, field, value)


def _setting(block: str, field: "attrs.Attribute[Any]", default: Any) -> Setting:
    rules = dict(field.metadata["setting"])
    parts = block.split(".")
    prefix = f"UAG_{parts[-1]}" if parts[0] == "providers" else f"CODARA_{'_'.join(parts)}"
    rules["later"] |= rules.pop("for_logins") and parts[-1] in _WITHOUT_LOGINS
    rules["env"] = rules["env"] or (f"{prefix}_{field.name}".upper(),)
    return Setting(block=block, key=field.name, type=field.type, default=default, **rules)


def written(value: Any, *, size: bool = False) -> str:
    """Returns a value as people write it in the file, without quotes."""
    if value is None or value in ((), {}):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value)
    if size and isinstance(value, int):
        return _size(value)
    if isinstance(value, Path):
        return _home_as_tilde(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _size(value: int) -> str:
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if value and value % unit == 0:
            return f"{value // unit} {name}"
    return str(value)


def _home_as_tilde(path: Path) -> str:
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
