"""The command line is there at once: it imports nothing heavy before a command needs it."""

import json
import subprocess
import sys

import pytest

HEAVY = (
    "aiohttp",
    "asyncio",
    "attr",
    "attrs",
    "cattrs",
    "codara.adapters",
    "codara.application",
    "codara.bootstrap",
    "codara.client",
    "codara.config",
    "codara.demo",
    "codara.domain",
    "codara.events",
    "codara.http",
    "codara.projections",
    "cryptography",
    "eventsourcing",
    "jwt",
    "logging",
    "orjson",
    "pygit2",
    "replay",
    "sqlite3",
    "ssl",
    "uvloop",
)


def imported_by(code):
    """The heavy modules that a fresh Python has once it has run this."""
    ending = f"import sys, json; print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}\n{ending}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "code",
    [
        "import codara.cli.main",
        "from codara.cli.main import main; main(['version'])",
        "from codara.cli.main import main; main(['version', '--json'])",
        "from codara.cli.main import parser; parser().format_help()",
    ],
)
def test_nothing_heavy_is_imported(code):
    assert imported_by(code) == []


def test_what_has_to_be_listed_is_imported_when_it_is_listed():
    code = (
        "from codara.cli.main import parser; parser().parse_args(['demo', '--provider', 'codex'])"
    )
    assert "codara.demo" in imported_by(code)
