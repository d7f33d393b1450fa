"""All profiles of one raw partition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from loopin_schemas.behaviour import Behaviour
from loopin_schemas.codec import decoder, encode
from loopin_schemas.habits import Habits, PastSessions
from loopin_schemas.profile import Profile, Score, Session
from loopin_schemas.watch import Watch
from loopin_streams.kafka.batch import Record
from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.kafka.job import Message
from loopin_streams.kafka.marker import STATE_VERSION
from loopin_streams.kafka.state_record import read_state
from loopin_streams.state.keyed_store import KeyedStore

_Packed = tuple[
    int,
    int,
    int,
    Session,
    int,
    bytes,
    int,
    dict[str, int],
    dict[int, int],
    tuple[Session, ...],
    Behaviour | None,
    dict[str, Score],
    Habits | None,
    PastSessions | None,
    Watch | None,
    int,
    int,
]  # The fields of Profile, in order.

_pack_small = msgspec.msgpack.Encoder().encode
_unpack_small = msgspec.msgpack.Decoder(_Packed).decode
_unpack_large = msgspec.json.Decoder(_Packed).decode
_LARGE = ord("[")
_decode = decoder(Profile).decode


class Profiles:
    """Profiles by record key (``project:distinct_id``).

    They are held packed: some 250 bytes of who came once, 1,000 of who comes often, before compression.
    """

    def __init__(self, store: KeyedStore) -> None:
        self._store = store
        self._unreadable: dict[bytes, RefusedToOpen] = {}

    def __len__(self) -> int:
        return len(self._store)

    def known(self, keys: Sequence[bytes]) -> list[bool]:
        """For each key, whether the user has been seen in this partition."""
        return self._store.known(keys)

    def load(self, keys: Sequence[bytes]) -> list[Profile | None]:
        """The profile of each key, for the caller to change and save."""
        return [None if held is None else _unpacked(held) for held in self._store.get(keys)]

    def save(self, changed: Iterable[tuple[bytes, Profile]]) -> list[Message]:
        """Keep changed profiles; the records to publish."""
        messages: list[Message] = []
        packed: list[tuple[bytes, bytes]] = []
        for key, profile in changed:
            profile.version = STATE_VERSION
            messages.append((key, encode(profile)))
            packed.append((key, _packed(profile)))
        self._store.put(packed)
        return messages

    def save_others(self, users: Sequence[tuple[bytes, Profile]]) -> list[Message]:
        """Keep those of some profiles that are other than what is kept; the records to publish."""
        held = self._store.get([key for key, _ in users])
        return self.save(user for user, was in zip(users, held, strict=True) if _packed(user[1]) != was)

    def keys(self) -> Iterator[bytes]:
        """The keys of all profiles; nothing may change meanwhile."""
        return self._store.keys()

    def messages(self) -> Iterator[Message]:
        """The records of all profiles."""
        for key, held in self._store.items():
            yield key, encode(_unpacked(held))

    def restore(self, records: Iterable[Record]) -> None:
        """Take in committed records of the topic ``profiles``, oldest first; then :meth:`check` them."""
        packed: dict[bytes, bytes] = {}
        for record in records:
            key = record.key or b""
            self._unreadable.pop(key, None)
            if record.value is None:
                packed.pop(key, None)
                self._store.delete(key)
                continue
            try:
                packed[key] = _packed(_readable(record))
            except RefusedToOpen as error:
                # A newer record may follow, and then this one no longer counts.
                self._unreadable[key] = error
        self._store.put(packed.items())

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


def _packed(profile: Profile) -> bytes:
    fields = msgspec.structs.astuple(profile)
    try:
        return _pack_small(fields)
    except OverflowError:
        # MessagePack's integers end at 64 bits: a user of more series than that takes JSON, which has no end.
        return encode(fields)


def _unpacked(held: bytes) -> Profile:
    return Profile(*(_unpack_large(held) if held[0] == _LARGE else _unpack_small(held)))


def _readable(record: Record) -> Profile:
    what = f"The profile at offset {record.offset} of the topic profiles"
    return read_state(record.value or b"", _decode, what=what, topic="profiles", job="enrich")
