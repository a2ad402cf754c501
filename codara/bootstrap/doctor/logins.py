"""What `codara doctor` looks at of keys and logins: those in the pool, and the host's own."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from codara.adapters.agents.registry import login_forms
from codara.adapters.logins.form import LoginForm, read
from codara.bootstrap.doctor.findings import OK, WARN, Check, Pool
from codara.config.settings import Settings
from codara.errors import AgentFailed
from codara.runtimes import PROVIDERS

_LARGEST = 64 * 1024
_WORDS = {"API_KEY": ("key", "keys"), "OAUTH_SESSION": ("login", "logins")}


async def logins(settings: Settings, pool: Pool) -> list[Check]:
    """For each runtime: what the pool lends it, and whether the host is logged in."""
    forms = login_forms(settings.providers)
    return [await asyncio.to_thread(_login, name, settings, forms, pool) for name in PROVIDERS]


def _login(provider: str, settings: Settings, forms: Mapping[str, LoginForm], pool: Pool) -> Check:
    name, lent = f"{provider} login", _lent(provider, pool)
    form, given = forms.get(provider), settings.providers.named(provider).auth_path
    if form is None:
        return Check(name, OK, f"pool: {lent}; it has no logins of its own")
    path = given or Path.home() / form.path
    trouble = _trouble(form, path)
    if trouble and given is not None:
        remedy = f"log in with {provider} there, or take auth_path out"
        return Check(name, WARN, f"pool: {lent}; auth_path {path} {trouble}", remedy)
    if trouble:
        return Check(name, OK, f"pool: {lent}; no login of the host's own")
    return Check(name, OK, f"pool: {lent}; the host's own login is {path}")


def _lent(provider: str, pool: Pool) -> str:
    """``1 key, 2 logins (1 ready)``."""
    if pool.trouble:
        return "unknown"
    said = []
    for kind, (one, many) in _WORDS.items():
        rows = [
            row for row in pool.rows if row["provider"] == provider and row["auth_type"] == kind
        ]
        ready = sum(row["status"] == "ready" for row in rows)
        if rows:
            unready = "" if ready == len(rows) else f" ({ready} ready)"
            said.append(f"{len(rows)} {one if len(rows) == 1 else many}{unready}")
    return ", ".join(said) or "nothing"


def _trouble(form: LoginForm, path: Path) -> str:
    """Why the file is no login; empty if it is one."""
    try:
        with path.open("rb") as file:
            form.token(read(file.read(_LARGEST)))
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    except AgentFailed:
        return "holds no login"
    return ""
