"""Reads `codara.toml` and the environment; the environment wins over the file."""

import base64
import binascii
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from codara.config.fields import NOT_YET, Setting, settings_of
from codara.config.file import ConfigFile
from codara.config.settings import Settings
from codara.config.values import from_environment, from_file
from codara.config.variables import unknown_variables
from codara.errors import ConfigInvalid, MasterKeyInvalid

FILE_NAME = "codara.toml"
FILE_VARIABLES = ("CODARA_CONFIG", "UAG_CONFIG_PATH")
FOLDER_VARIABLE = "UAG_CONFIG_DIR"
PASSKEY_VARIABLES = ("UAG_MGMT_SECRET", "API_TOKEN")
MASTER_KEY_VARIABLES = ("CODARA_MASTER_KEY", "UAG_MASTER_KEY")
OTHER_VARIABLES = ("CODARA_DEBUG", "CODARA_URL", "CODARA_KEY")
"""Names that no setting has and that commands or their users use all the same."""
MASTER_KEY_BYTES = 32
DEFAULT = "default"
_OWN_VARIABLES = (
    *FILE_VARIABLES,
    FOLDER_VARIABLE,
    *PASSKEY_VARIABLES,
    *MASTER_KEY_VARIABLES,
    *OTHER_VARIABLES,
)


@attrs.frozen(kw_only=True)
class Loaded:
    """The effective settings, and where each value comes from.

    `sources` maps ``block.key`` to ``default``, ``file FILE`` or ``environment NAME``. `path` is
    the file that was read, if any. `passkey` and `master_key` are None if they are not given.
    `warnings` name what was given and has no effect, one line for each.
    """

    settings: Settings
    sources: Mapping[str, str]
    path: Path | None = None
    passkey: str | None = attrs.field(default=None, repr=False)
    master_key: str | None = attrs.field(default=None, repr=False)
    warnings: tuple[str, ...] = ()


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Loaded:
    """Returns the effective configuration.

    ConfigInvalid, with file and line, for an unknown key, a wrong value, or one that this version
    refuses; MasterKeyInvalid for a master key that is not base64 of 32 bytes.
    """
    file = ConfigFile.read(find_file(path, environ))
    known = tuple(settings_of(Settings()))
    file.refuse_unknown(known)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    warnings: list[str] = []
    for setting in known:
        value, sources[setting.path] = _effective(setting, file, environ)
        if sources[setting.path] != DEFAULT:
            values[setting.path] = value
            warnings += _not_yet(setting, value, sources[setting.path], file)
    return Loaded(
        settings=_absolute(_with(Settings(), values)),
        sources=sources,
        path=file.path,
        passkey=_first(environ, PASSKEY_VARIABLES),
        master_key=master_key(environ),
        warnings=(*warnings, *unknown_variables(environ, known, _OWN_VARIABLES)),
    )


def find_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Returns the file to read: the one that is named, else the first of the usual ones.

    None if there is no file; ConfigInvalid if the named file does not exist.
    """
    named = path or _named_by(environ)
    if named is not None:
        if not named.is_file():
            raise ConfigInvalid(f"{named}: there is no such configuration file")
        return named.absolute()
    usual = (Path.cwd() / FILE_NAME, user_config_dir(environ) / FILE_NAME)
    return next((place for place in usual if place.is_file()), None)


def user_config_dir(environ: Mapping[str, str]) -> Path:
    """Returns the user's configuration folder for Codara."""
    if own := environ.get(FOLDER_VARIABLE):
        return Path(own).expanduser()
    return Path(environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "codara"


def master_key(environ: Mapping[str, str]) -> str | None:
    """Returns the master key from the environment, as text; MasterKeyInvalid if it is wrong."""
    name = next((name for name in MASTER_KEY_VARIABLES if environ.get(name)), None)
    if name is None:
        return None
    text = environ[name].strip()
    try:
        length = len(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise MasterKeyInvalid(f"{name} is not base64; it must be base64 of 32 bytes") from None
    if length != MASTER_KEY_BYTES:
        raise MasterKeyInvalid(f"{name} holds {length} bytes; it must be base64 of exactly 32")
    return text


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((environ[name] for name in names if environ.get(name)), None)


def _named_by(environ: Mapping[str, str]) -> Path | None:
    text = _first(environ, FILE_VARIABLES)
    return Path(text).expanduser() if text else None


def _effective(setting: Setting, file: ConfigFile, environ: Mapping[str, str]) -> tuple[Any, str]:
    value, source = setting.default, DEFAULT
    written = file.value(setting.path)
    if file.path is not None and written is not None:
        try:
            value, source = from_file(setting, written, file.path.parent), f"file {file.path}"
        except ValueError as wrong:
            raise file.wrong(setting.path, str(wrong)) from wrong
    if variable := next((name for name in setting.env if environ.get(name)), None):
        try:
            value = from_environment(setting, environ[variable], Path.cwd())
        except ValueError as wrong:
            raise ConfigInvalid(f"environment {variable}: {setting.path}: {wrong}") from wrong
        source = f"environment {variable}"
    return value, source


def _not_yet(setting: Setting, value: Any, source: str, file: ConfigFile) -> list[str]:
    """Warns of a setting that nothing reads in this version; ConfigInvalid if it is refused."""
    if not setting.later:
        return []
    place = source if source.startswith("environment ") else file.place(setting.path)
    if setting.refuses(value):
        raise ConfigInvalid(f"{place}: {setting.path}: {NOT_YET}: {setting.refused}")
    return [f"{place}: {setting.path}: {NOT_YET}, it has no effect"]


def _with(block: Any, values: Mapping[str, Any], prefix: str = "") -> Any:
    given = {}
    for field in attrs.fields(type(block)):
        name, value = f"{prefix}{field.name}", getattr(block, field.name)
        if attrs.has(type(value)):
            given[field.name] = _with(value, values, f"{name}.")
        elif name in values:
            given[field.name] = values[name]
    return attrs.evolve(block, **given)


def _absolute(settings: Settings) -> Settings:
    data_dir = settings.server.data_dir.absolute()
    settings = attrs.evolve(settings, server=attrs.evolve(settings.server, data_dir=data_dir))
    settings.check()
    return settings.placed()
