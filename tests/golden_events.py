"""Golden events: one file for each (name, version) that was ever stored.

`python -m tests.golden_events` writes those that are missing. A file that was released is never
written again: when the shape of an event changes, its version rises and a new file joins.
"""

import sys
from pathlib import Path
from typing import Any

import orjson
from cattrs import Converter

from codara.events.base import Event
from codara.events.registry import CATALOGUE
from codara.events.store.mapper import EventMapper
from tests import event_examples
from tests.fakes.keyring import FakeKeyRing

FOLDER = Path(__file__).parent / "golden" / "events"
LOG_ID = "log_golden"


def mapper() -> EventMapper:
    """The mapper that reads the golden files."""
    return EventMapper(LOG_ID, FakeKeyRing())


def file_of(event_class: type[Event]) -> Path:
    """Where the golden file of today's version is."""
    return FOLDER / f"{event_class.name}.v{event_class.version}.json"


def fields_of(event: Event) -> Any:
    """The event's fields as JSON values, opened."""
    return orjson.loads(orjson.dumps(Converter().unstructure(event), default=str))


def golden(event_class: type[Event]) -> bytes:
    """The text of the file: what is stored, and what it reads as."""
    event = event_examples.example(event_class)
    stored = mapper().to_stored("log", 1, event, event_examples.metadata())
    return orjson.dumps(
        {"stored": orjson.loads(stored.state), "reads_as": fields_of(event)},
        option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
    )


def main(renew: bool) -> None:
    for event_class in CATALOGUE:
        file = file_of(event_class)
        if renew or not file.exists():
            file.write_bytes(golden(event_class))
            print(file.name)


if __name__ == "__main__":
    main("--renew" in sys.argv)
