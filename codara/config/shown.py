"""The effective configuration for display: every value with its source, secrets masked."""

from typing import Any

from codara.config.fields import NOT_YET, settings_of
from codara.config.load import Loaded
from codara.config.values import masked

MASK = "********"


def shown(loaded: Loaded) -> list[dict[str, Any]]:
    """Returns a row for each key: `key`, `value`, `source`, `note`; last the two secrets."""
    rows = [
        {
            "key": setting.path,
            "value": masked(setting, setting.default),
            "source": loaded.sources[setting.path],
            "note": NOT_YET if setting.later else "",
        }
        for setting in settings_of(loaded.settings)
    ]
    return [
        *rows,
        _secret("passkey", loaded.passkey, "made at first start, kept in secrets/"),
        _secret("master_key", loaded.master_key, "made at first start, kept in secrets/"),
    ]


def _secret(key: str, value: str | None, otherwise: str) -> dict[str, Any]:
    return {
        "key": key,
        "value": MASK if value else None,
        "source": "environment" if value else otherwise,
        "note": "",
    }
