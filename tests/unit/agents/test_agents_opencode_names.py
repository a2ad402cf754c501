"""Names of models that were asked for: never so many that opencode could not be started."""

import subprocess

from codara.adapters.agents.opencode.config import Way, config_of, environment
from codara.adapters.agents.opencode.names import MOST, MOST_BYTES, Names
from codara.domain.models import MAX_CHARACTERS


def test_the_names_used_last_are_kept() -> None:
    names = Names()
    for number in range(MOST):
        names.use(f"gw/{number}")
    names.use("gw/0")
    names.use("gw/new")
    assert list(names)[:2] == ["gw/new", "gw/0"]
    assert "gw/1" not in names
    assert len(list(names)) == MOST


def test_long_names_leave_room_for_fewer() -> None:
    names = Names()
    for number in range(MOST):
        names.use(f"{number}/" + "\U0001f40d" * (MAX_CHARACTERS - 3))
    kept = list(names)
    assert kept[0].startswith(f"{MOST - 1}/")
    assert len(kept) < MOST
    assert sum(len(name.encode()) for name in kept) < MOST_BYTES


def test_whatever_was_asked_for_opencode_can_be_started() -> None:
    """The kernel starts no program with a variable over 128 KiB."""
    for filling in ("x", "\U0001f40d"):
        names = Names()
        for number in range(1000):
            names.use(f"{number}/" + filling * (MAX_CHARACTERS - 5))
        own = "own/" + filling * (MAX_CHARACTERS - 4)
        way = Way(endpoint="http://127.0.0.1:8377", token="t" * 64, models=(own, *names))
        subprocess.run(["/bin/true"], env=environment(config_of(way)), check=True)
