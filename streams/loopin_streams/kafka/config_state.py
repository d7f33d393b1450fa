"""What the records of the topic ``config`` add up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import msgspec

from loopin_schemas.config import KINDS, config_key, decode_config
from loopin_streams.kafka.batch import Record

T = TypeVar("T", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """One thing that is configured: see :class:`loopin_schemas.config.ConfigRecord`."""

    id: str
    version: str
    by: str
    body: T


@dataclass(frozen=True, slots=True)
class Broken:
    """The newest record of a key that cannot be read: whatever the item was before, it counts for nothing."""

    key: str
    offset: int
    reason: str

    @property
    def version(self) -> str:
        """What to name to replace it: no record has that one."""
        return f"@{self.offset}"


class Configuration:
    """The items that there are, after any number of :meth:`apply`.

    Only the newest record of a key counts, as compaction keeps no other: so all who have read to the same
    offset hold the same, however much of the log they have seen. ``changes`` is how many records that took,
    ``broken`` holds those that cannot be read, by key, ``others`` the keys of kinds of a newer release.
    """

    def __init__(self) -> None:
        self.changes = 0
        self.broken: dict[bytes, Broken] = {}
        self.others: set[bytes] = set()
        self._items: dict[bytes, Item[Any]] = {}
        self._by_type: dict[type[msgspec.Struct], dict[str, Item[Any]]] = {
            kind: {} for kind in KINDS.values()
        }

    def of(self, body: type[T]) -> Mapping[str, Item[T]]:
        """The items of a kind, named by the type of its body, by id."""
        return MappingProxyType(self._by_type[body])

    def version(self, kind: str, id: str) -> str | None:
        """The version that whoever replaces the item has to name; None where there is none."""
        key = config_key(kind, id)
        found = self._items.get(key) or self.broken.get(key)
        return found.version if found is not None else None

    def apply(self, record: Record) -> Broken | None:
        """Take in the next record; one that cannot be read is told, and kept in ``broken``."""
        try:
            return self._applied(record)
        finally:
            # Last: who reads in another thread, and sees this number, sees all that it stands for.
            self.changes += 1

    def _applied(self, record: Record) -> Broken | None:
        key = record.key or b""
        self._forget(key)
        if record.value is None:
            return None
        try:
            found, body = decode_config(key, record.value)
        except (ValueError, RecursionError) as error:
            name = key.decode("utf-8", "backslashreplace")
            broken = self.broken[key] = Broken(name, record.offset, str(error))
            return broken
        if body is None:
            self.others.add(key)
        else:
            item = Item(found.id, found.version, found.by, body)
            self._items[key] = self._by_type[type(body)][found.id] = item
        return None

    def _forget(self, key: bytes) -> None:
        self.broken.pop(key, None)
        self.others.discard(key)
        item = self._items.pop(key, None)
        if item is not None:
            del self._by_type[type(item.body)][item.id]
