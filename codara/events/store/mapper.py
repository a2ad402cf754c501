"""From an event to the bytes that are stored, and back: JSON with its private fields sealed."""

import typing
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import attrs
import orjson
from cattrs import Converter
from cattrs.gen import make_dict_unstructure_fn
from eventsourcing.persistence import StoredEvent

from codara.errors import LogDamaged
from codara.events.base import Event, Metadata, Sealed, Unknown
from codara.events.registry import CATALOGUE, by_name
from codara.events.store import sealing
from codara.events.store.keyring import KeyRing
from codara.events.store.shaping import class_maker
from codara.events.upcasters import UPCASTERS, Upcaster, upcast

MAX_EVENT_BYTES = 64 * 1024
"""As stored. What is larger belongs into a payload."""

SEALED = "$sealed"


class EventTooLarge(ValueError):
    """The event is over `MAX_EVENT_BYTES`: its maker should have used a payload."""


@attrs.frozen(kw_only=True)
class _Shape:
    """What is needed to write and read the events of one class."""

    version: int
    kinds: tuple[tuple[str, str], ...]
    """Private fields, each with the kind it is sealed as."""
    empty: Mapping[str, Any]
    """What a private field reads as, in JSON, once its key is destroyed."""
    fields: Callable[[Event], dict[str, Any]]
    make: Callable[[dict[str, Any]], Event]


class EventMapper:
    """Writes and reads the stored events of one log.

    A private field whose key was destroyed reads as the empty value of its type: "" for a text,
    () for a tuple, None where None is allowed.
    """

    def __init__(
        self,
        log_id: str,
        keys: KeyRing,
        *,
        classes: Iterable[type[Event]] = CATALOGUE,
        upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
    ) -> None:
        converter = Converter()
        converter.register_unstructure_hook_func(_is_json, lambda value: value)
        self.log_id = log_id
        self._keys = keys
        self._upcasters = upcasters
        self._shapes = {
            name: _shape(event_class, converter) for name, event_class in by_name(classes).items()
        }

    def to_stored(self, stream: str, version: int, event: Event, metadata: Metadata) -> StoredEvent:
        """Returns what the log keeps; EventTooLarge if that is over `MAX_EVENT_BYTES`.

        Text that is no text (lone surrogates) is stored with U+FFFD in its place.
        """
        shape = self._shapes[event.name]
        fields = shape.fields(event)
        if shape.kinds:
            self._seal(fields, shape, metadata.event_id, event.subject)
        state = _to_json(
            {
                "v": event.version,
                "event_id": metadata.event_id,
                "at": metadata.at,
                "actor": metadata.actor,
                "correlation_id": metadata.correlation_id,
                "causation_id": metadata.causation_id,
                "data": fields,
            }
        )
        if len(state) > MAX_EVENT_BYTES:
            raise EventTooLarge(
                f"{event.name} takes {len(state):,} bytes; an event may take {MAX_EVENT_BYTES:,}, "
                "larger things belong into a payload"
            )
        return StoredEvent(
            originator_id=stream, originator_version=version, topic=event.name, state=state
        )

    def to_event(self, name: str, state: bytes, *, sealed: bool = False) -> tuple[Event, Metadata]:
        """The event and its envelope; an `Unknown` if its name or version is not in the catalogue.

        With `sealed`, private fields stay `Sealed` and no key is touched. Raises LogDamaged if
        the bytes are not what was stored.
        """
        try:
            document = orjson.loads(state)
            metadata = _metadata(document)
            return self._event(name, document, sealed=sealed), metadata
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise LogDamaged(
                f"an event stored as {name} cannot be read ({error!r}); "
                "restore the log from a backup"
            ) from error

    def open_value(self, sealed: Sealed) -> Any:
        """The JSON value inside; None when its key is destroyed, LogDamaged if it was altered."""
        key = self._keys.opening_key(sealed.key_id)
        if key is None:
            return None
        return orjson.loads(self._unseal(sealed, key))

    def _event(self, name: str, document: dict[str, Any], *, sealed: bool) -> Event:
        shape = self._shapes.get(name)
        version, fields, event_id = document["v"], document["data"], document["event_id"]
        if shape is not None and version == shape.version:
            _lift_boxes(fields, shape.kinds, event_id)
        else:
            _lift_boxes(fields, [(field, f"{name}.{field}") for field in fields], event_id)
            if shape is None or version > shape.version:
                return Unknown(stored_name=name, stored_version=version, fields=fields)
            fields = upcast(name, version, fields, to=shape.version, upcasters=self._upcasters)
        if not sealed:
            for field, _ in shape.kinds:
                value = fields.get(field)
                if type(value) is Sealed:
                    fields[field] = self._open(value, shape.empty[field])
        return shape.make(fields)

    def _seal(self, fields: dict[str, Any], shape: _Shape, event_id: str, subject: str) -> None:
        key_id, key = self._keys.sealing_key(subject)
        for field, kind in shape.kinds:
            bound_to = sealing.associated(self.log_id, event_id, kind, key_id)
            box = sealing.seal(key, _to_json(fields[field]), bound_to)
            fields[field] = {SEALED: [key_id, sealing.to_text(box)]}

    def _open(self, sealed: Sealed, empty: Any) -> Any:
        key = self._keys.opening_key(sealed.key_id)
        return empty if key is None else orjson.loads(self._unseal(sealed, key))

    def _unseal(self, sealed: Sealed, key: Any) -> bytes:
        bound_to = sealing.associated(self.log_id, sealed.event_id, sealed.kind, sealed.key_id)
        return sealing.unseal(key, sealing.from_text(sealed.box), bound_to)


def _shape(event_class: type[Event], converter: Converter) -> _Shape:
    private = [field for field in attrs.fields(event_class) if field.metadata.get("private")]
    return _Shape(
        version=event_class.version,
        kinds=tuple((field.name, f"{event_class.name}.{field.name}") for field in private),
        empty={field.name: _empty(field.type) for field in private},
        fields=make_dict_unstructure_fn(event_class, converter),
        make=class_maker(event_class),
    )


def _is_json(kind: Any) -> bool:
    """Whether orjson writes a value of that type as it is; mappings hold nothing it does not."""
    return kind is datetime or typing.get_origin(kind) is dict


def _empty(kind: Any) -> Any:
    if kind is str:
        return ""
    return [] if getattr(kind, "__origin__", None) is tuple else None


def _metadata(document: dict[str, Any]) -> Metadata:
    return Metadata(
        event_id=document["event_id"],
        at=datetime.fromisoformat(document["at"]),
        actor=document["actor"],
        correlation_id=document["correlation_id"],
        causation_id=document["causation_id"],
    )


def _lift_boxes(fields: dict[str, Any], kinds: Iterable[tuple[str, str]], event_id: str) -> None:
    """Before upcasting, so that a box keeps the kind it was sealed as wherever it is moved."""
    for field, kind in kinds:
        value = fields.get(field)
        if type(value) is dict and type(value.get(SEALED)) is list:
            key_id, box = value[SEALED]
            fields[field] = Sealed(key_id, event_id, kind, box)


def _to_json(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:
        return orjson.dumps(_without_surrogates(value))


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_surrogates(item) for item in value]
    return value
