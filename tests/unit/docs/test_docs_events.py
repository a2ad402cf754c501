"""The page about events names every fact and every field."""

from pathlib import Path

import attrs
import pytest

from codara.events.registry import CATALOGUE

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "events.md"
ROWS = {line.split("`")[1]: line for line in PAGE.read_text().splitlines() if line[:3] == "| `"}


@pytest.mark.parametrize("event", CATALOGUE, ids=lambda event: event.name)
def test_every_event_is_explained_with_its_fields(event):
    row = ROWS[event.name]
    assert f"| {event.version} |" in row
    for field in attrs.fields(event):
        mark = "*" if field.metadata.get("private") else ""
        assert f"`{field.name}`{mark}" in row.rpartition("|")[0].rpartition("|")[2]


def test_no_event_is_explained_that_does_not_exist():
    assert set(ROWS) == {event.name for event in CATALOGUE}
