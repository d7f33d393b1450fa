"""All persons that are more than a single unidentified distinct_id."""

from __future__ import annotations

from collections.abc import Iterable

from loopin_schemas.codec import decoder, encode
from loopin_schemas.identity import Person
from loopin_schemas.topics import event_key
from loopin_streams.identity.components import alone
from loopin_streams.kafka.batch import Record
from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.kafka.job import Message
from loopin_streams.kafka.marker import STATE_VERSION
from loopin_streams.kafka.state_record import read_state
from loopin_streams.state.keyed_store import KeyedStore

_POINTER = b">"
"""Begins the entry of an id that does not name its person: the key of the one that does follows."""

_decode = decoder(Person).decode


class Persons:
    """Persons by any of their distinct_ids."""

    def __init__(self, store: KeyedStore) -> None:
        self._store = store
        self._unreadable: dict[bytes, RefusedToOpen] = {}

    def __len__(self) -> int:
        """How many distinct_ids are known."""
        return len(self._store)

    def of(self, project: str, distinct_id: str) -> Person:
        """The person of a distinct_id."""
        [held] = self._store.get([event_key(project, distinct_id)])
        if held is not None and held.startswith(_POINTER):
            [held] = self._store.get([held[len(_POINTER) :]])
        return alone(distinct_id) if held is None else _decode(held)

    def save(self, project: str, person: Person) -> Message:
        """Keep a person that has changed; the record to publish."""
        person.version = STATE_VERSION
        key, value = event_key(project, person.distinct_ids[0]), encode(person)
        self._store.put(_entries(key, value, person))
        return key, value

    def restore(self, records: Iterable[Record]) -> None:
        """Take in committed records of the topic ``persons``, oldest first; then :meth:`check` them."""
        for record in records:
            key = record.key or b""
            self._unreadable.pop(key, None)
            # Who lost its name to another person is among that one's ids, in a later record.
            if record.value is None:
                self._store.delete(key)
                continue
            try:
                person = _readable(record)
            except RefusedToOpen as error:
                # A newer record may follow, and then this one no longer counts.
                self._unreadable[key] = error
            else:
                self._store.put(_entries(key, record.value, person))

    def check(self) -> None:
        """See that all that was restored could be read.

        Raises:
            RefusedToOpen: ``state_unreadable`` or ``state_version``.
        """
        for error in self._unreadable.values():
            raise error

    def close(self) -> None:
        """Let go of memory and files."""
        self._store.close()


def _entries(key: bytes, value: bytes, person: Person) -> list[tuple[bytes, bytes]]:
    project = key.split(b":", 1)[0].decode()
    others = [(event_key(project, each), _POINTER + key) for each in person.distinct_ids[1:]]
    return [(key, value), *others]


def _readable(record: Record) -> Person:
    what = f"The person at offset {record.offset} of the topic persons"
    return read_state(record.value or b"", _decode, what=what, topic="persons", job="identity")
