"""A gateway of the time before transcripts: it runs turns, and stores facts in version 1."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import orjson
from eventsourcing.persistence import StoredEvent

from codara.events.base import Event, Metadata
from codara.events.store.log import EventLog
from codara.events.store.mapper import EventMapper
from tests import golden_events

_AS_THEY_ARE = frozenset({"$sealed", "timings", "raw"})


@attrs.frozen
class OldMapper:
    """Stores events in the shape of their golden files of version 1; the rest is the mapper's."""

    mapper: EventMapper

    def to_stored(self, stream: str, version: int, event: Event, metadata: Metadata) -> StoredEvent:
        stored = self.mapper.to_stored(stream, version, event, metadata)
        shape = _golden(event.name)
        document = orjson.loads(stored.state)
        lowered = {**document, "v": 1, "data": cut(document["data"], shape["data"])}
        return StoredEvent(
            originator_id=stored.originator_id,
            originator_version=stored.originator_version,
            topic=stored.topic,
            state=orjson.dumps(lowered),
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self.mapper, name)


def write_as_of_old(log: EventLog) -> None:
    """Lets a log store everything from now on as it was stored then."""
    log._mapper = OldMapper(log._mapper)  # type: ignore[assignment]


def cut(value: Any, shape: Any) -> Any:
    """What a golden file has of a value: the fields of that time, and of a thread its count."""
    if not isinstance(value, dict) or not isinstance(shape, dict) or "$sealed" in value:
        return value
    if "messages" in shape:
        return _thread_of_old(value)
    if "holder" in value:
        value = {**value, "turn_id": value["holder"]["id"]}
    return {
        name: value[name] if name in _AS_THEY_ARE else cut(value[name], shape[name])
        for name in shape
        if name in value
    }


def _thread_of_old(thread: dict[str, Any]) -> dict[str, Any]:
    """It counted and digested the user's messages alone."""
    point = thread["point"]
    heard = (point["entries"] + 1) // 2
    digest = hashlib.sha256(point["digest"].encode()).hexdigest() if heard else ""
    return {"backend_id": thread["backend_id"], "messages": heard, "digest": digest}


def versions_in(path: Path) -> set[tuple[str, int]]:
    """Names and versions of all stored events."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        rows = db.execute("SELECT topic, state FROM stored_events").fetchall()
    return {(topic, orjson.loads(state)["v"]) for topic, state in rows}


def _golden(name: str) -> Any:
    return orjson.loads((golden_events.FOLDER / f"{name}.v1.json").read_bytes())["stored"]
