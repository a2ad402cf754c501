"""Findings: what a check saw, and what to do about it."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

OK, WARN, FAIL = "ok", "warn", "fail"

Row = Mapping[str, Any]


@attrs.frozen
class Check:
    """A finding: `status` is ok, warn (it works, but) or fail; `remedy` says what to do."""

    name: str
    status: str
    detail: str
    remedy: str = ""


@attrs.frozen(kw_only=True)
class Pool:
    """The accounts as the gateway lists them, or why they are not known."""

    rows: Sequence[Row] = ()
    trouble: str = ""
    nothing: str = "none registered"
