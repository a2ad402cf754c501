"""Turns what a file or the environment says into the value of a setting."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from codara.config.fields import GIB, KIB, MIB, Setting

_UNITS = {"": 1, "b": 1, "kib": KIB, "mib": MIB, "gib": GIB, "kb": 10**3, "mb": 10**6, "gb": 10**9}
_SIZE = re.compile(r"^\s*(\d+)\s*([A-Za-z]*)\s*$")
_TRUE, _FALSE = {"true", "1", "yes", "on"}, {"false", "0", "no", "off"}


def from_file(setting: Setting, raw: Any, folder: Path) -> Any:
    """Returns the value of a parsed TOML entry; ValueError says what was expected instead."""
    return _checked(setting, _READERS[setting.type](setting, raw, folder))


def from_environment(setting: Setting, text: str, folder: Path) -> Any:
    """Returns the value of an environment variable; ValueError says what was expected instead."""
    return from_file(setting, _FROM_TEXT.get(setting.type, str)(text), folder)


def _checked(setting: Setting, value: Any) -> Any:
    if setting.choices and value not in setting.choices:
        raise ValueError(f"expected one of {', '.join(setting.choices)}, not {value!r}")
    if setting.least is not None and value < setting.least:
        raise ValueError(f"expected at least {setting.least:g}, not {value}")
    if setting.most is not None and value > setting.most:
        raise ValueError(f"expected at most {setting.most:g}, not {value}")
    if setting.key.endswith("_url") and setting.block != "database" and value is not None:
        _check_url(value)
    return value


def _check_url(value: str) -> None:
    if not re.match(r"^https?://[^\s/]+", value):
        raise ValueError(f"expected an http:// or https:// address, not {value!r}")


def _flag(_: Setting, raw: Any, __: Path) -> bool:
    return bool(_expect(raw, bool, "true or false"))


def _whole(setting: Setting, raw: Any, _: Path) -> int:
    if setting.size and isinstance(raw, str):
        return _size(raw)
    wanted = 'a number of bytes or a text such as "16 MiB"' if setting.size else "a whole number"
    return int(_expect(raw, int, wanted))


def _size(text: str) -> int:
    match = _SIZE.match(text)
    if match is None or match[2].lower() not in _UNITS:
        raise ValueError(f'expected a size such as "16 MiB", not {text!r}')
    return int(match[1]) * _UNITS[match[2].lower()]


def _number(_: Setting, raw: Any, __: Path) -> float:
    return float(_expect(raw, (int, float), "a number"))


def _text(setting: Setting, raw: Any, folder: Path) -> str:
    text: str = _expect(raw, str, "a text")
    if not text:
        raise ValueError("expected a text, not an empty one")
    if setting.program and "/" in text:
        return str(folder / Path(text).expanduser())
    return text


def _text_or_none(_: Setting, raw: Any, __: Path) -> str | None:
    return _expect(raw, str, "a text") or None


def _path(setting: Setting, raw: Any, folder: Path) -> Path:
    return folder / Path(_text(setting, raw, folder)).expanduser()


def _path_or_none(setting: Setting, raw: Any, folder: Path) -> Path | None:
    return None if raw == "" else _path(setting, raw, folder)


def _texts(_: Setting, raw: Any, __: Path) -> tuple[str, ...]:
    return tuple(_expect(item, str, "a list of texts") for item in _expect(raw, list, "a list"))


def _tables(_: Setting, raw: Any, __: Path) -> tuple[Mapping[str, Any], ...]:
    wanted = "a list of tables with `name` and `token`"
    tables = tuple(_expect(item, dict, wanted) for item in _expect(raw, list, wanted))
    for table in tables:
        _expect(table.get("name"), str, wanted)
        _expect(table.get("token"), str, wanted)
    return tables


def _prices(_: Setting, raw: Any, __: Path) -> Mapping[str, Mapping[str, float]]:
    wanted = "a table of prices per model"
    models = _expect(raw, dict, wanted)
    return {name: _price(_expect(table, dict, wanted)) for name, table in models.items()}


def _names(_: Setting, raw: Any, __: Path) -> Mapping[str, str]:
    wanted = "a table of texts"
    return {name: _expect(value, str, wanted) for name, value in _expect(raw, dict, wanted).items()}


def _price(table: Mapping[str, Any]) -> Mapping[str, float]:
    known = {"input", "cached", "cache_write", "output"}
    if unknown := sorted(set(table) - known):
        raise ValueError(f"unknown price {unknown[0]!r}; known are {', '.join(sorted(known))}")
    return {name: float(_expect(price, (int, float), "a price")) for name, price in table.items()}


def _expect(raw: Any, kind: Any, wanted: str) -> Any:
    if isinstance(raw, kind) and (kind is bool or not isinstance(raw, bool)):
        return raw
    raise ValueError(f"expected {wanted}, not {_said(raw)}")


def _said(raw: Any) -> str:
    text = repr(raw) if not isinstance(raw, bool) else str(raw).lower()
    return text if len(text) <= 60 else f"{text[:57]}..."


def _flag_text(text: str) -> bool | str:
    word = text.strip().lower()
    return True if word in _TRUE else False if word in _FALSE else text


def _int_text(text: str) -> int | str:
    stripped = text.strip()
    return int(stripped) if re.fullmatch(r"[+-]?\d+", stripped) else text


def _float_text(text: str) -> float | str:
    return float(text) if re.fullmatch(r"\s*[+-]?\d+(\.\d+)?\s*", text) else text


def _list_text(text: str) -> Any:
    if text.lstrip().startswith("["):
        return _json_text(text)
    return [item.strip() for item in text.split(",") if item.strip()]


def _json_text(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as broken:
        raise ValueError("expected JSON") from broken


_Reader = Callable[[Setting, Any, Path], Any]
_READERS: dict[Any, _Reader] = {
    bool: _flag,
    int: _whole,
    float: _number,
    str: _text,
    str | None: _text_or_none,
    Path: _path,
    Path | None: _path_or_none,
    tuple[str, ...]: _texts,
    tuple[Mapping[str, Any], ...]: _tables,
    Mapping[str, Mapping[str, float]]: _prices,
    Mapping[str, str]: _names,
}
_FROM_TEXT: dict[Any, Callable[[str], Any]] = {
    bool: _flag_text,
    int: _int_text,
    float: _float_text,
    tuple[str, ...]: _list_text,
    tuple[Mapping[str, Any], ...]: _json_text,
    Mapping[str, Mapping[str, float]]: _json_text,
    Mapping[str, str]: _json_text,
}


def masked(setting: Setting, value: Any) -> Any:
    """Returns the value as it may be shown: secrets hidden, paths as text, tuples as lists."""
    if setting.secret:
        return [{"name": bot.get("name"), "token": "********"} for bot in value]
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
