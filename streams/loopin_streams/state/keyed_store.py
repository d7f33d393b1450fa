"""Where a partition's state is kept between batches: in memory, or on disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from zstandard import (
    ZstdCompressionDict,
    ZstdCompressionParameters,
    ZstdCompressor,
    ZstdDecompressor,
    ZstdError,
    train_dictionary,
)

if TYPE_CHECKING:
    from rocksdict import Rdict

SAMPLES: Final = 2_000
"""Values from which a store in memory learns what they have in common."""

_DICTIONARY_BYTES: Final = 4_096
_LEVEL: Final = -1
"""Of zstd. With profiles, faster ones leave a third more; slower ones take twice as long for 5 % less."""


class KeyedStore(Protocol):
    """Encoded values by key. Not the truth: that is the compacted topic it is restored from."""

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The value of each key, None where there is none."""
        ...

    def known(self, keys: Sequence[bytes]) -> list[bool]:
        """For each key, whether it has a value."""
        ...

    def put(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Set values."""
        ...

    def delete(self, key: bytes) -> None:
        """Forget a key."""
        ...

    def keys(self) -> Iterator[bytes]:
        """Every key; nothing may change meanwhile."""
        ...

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Every key with its value; nothing may change meanwhile."""
        ...

    def __len__(self) -> int: ...

    def close(self) -> None:
        """Let go of memory and files."""
        ...


class MemoryStore:
    """A dict of bytes: nothing in it is looked at by the garbage collector.

    As soon as there are some thousand values, they are held compressed against a dictionary of what these
    have in common: a profile of 250 bytes takes 50 to 75, for 2 us a change.
    """

    def __init__(self, samples: int = SAMPLES) -> None:
        self._values: dict[bytes, bytes] = {}
        self._samples = samples
        self._codec: _Codec | None = None

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        found = map(self._values.get, keys)
        if self._codec is None:
            return list(found)
        unpack = self._codec.unpack
        return [None if held is None else unpack(held) for held in found]

    def known(self, keys: Sequence[bytes]) -> list[bool]:
        return [key in self._values for key in keys]

    def put(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        if self._codec is not None:
            pack = self._codec.pack
            self._values.update((key, pack(value)) for key, value in items)
            return
        self._values.update(items)
        if len(self._values) >= self._samples:
            codec = _Codec(list(islice(self._values.values(), self._samples)))
            self._values = {key: codec.pack(value) for key, value in self._values.items()}
            self._codec = codec

    def delete(self, key: bytes) -> None:
        self._values.pop(key, None)

    def keys(self) -> Iterator[bytes]:
        return iter(self._values)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        if self._codec is None:
            yield from self._values.items()
            return
        unpack = self._codec.unpack
        for key, held in self._values.items():
            yield key, unpack(held)

    def __len__(self) -> int:
        return len(self._values)

    def close(self) -> None:
        self._values.clear()


class _Codec:
    """Compresses values that are like the samples."""

    def __init__(self, samples: Sequence[bytes]) -> None:
        dictionary = _dictionary(samples)
        # The frames stay in this process: they need not say which dictionary they were made with.
        parameters = ZstdCompressionParameters(compression_level=_LEVEL, write_dict_id=False)
        if dictionary is not None:
            dictionary.precompute_compress(compression_params=parameters)
        self._compress = ZstdCompressor(dict_data=dictionary, compression_params=parameters).compress
        self.unpack = ZstdDecompressor(dict_data=dictionary).decompress

    def pack(self, value: bytes) -> bytes:
        # Copied: what the library returns keeps the memory that it took for the worst case.
        return bytes(memoryview(self._compress(value)))


def _dictionary(samples: Sequence[bytes]) -> ZstdCompressionDict | None:
    try:
        return train_dictionary(_DICTIONARY_BYTES, list(samples))
    except ZstdError:
        return None  # They are too few bytes, or all alike.


class DiskStore:
    """RocksDB in a folder of its own, for more users than memory holds.

    The folder is emptied at opening: a store that another transaction may have overtaken is worth nothing.
    """

    def __init__(self, folder: Path, cache_mb: int) -> None:
        # Imported here: only who spills needs the library.
        from rocksdict import (
            AccessType,
            BlockBasedOptions,
            Cache,
            DBCompressionType,
            Options,
            Rdict,
            WriteBatch,
            WriteOptions,
        )

        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_compression_type(DBCompressionType.lz4())
        options.set_write_buffer_size(16 << 20)
        blocks = BlockBasedOptions()
        blocks.set_block_cache(Cache(cache_mb << 20))
        blocks.set_bloom_filter(10, False)
        options.set_block_based_table_factory(blocks)
        self._folder = folder
        self._batch = WriteBatch
        with _disk():
            self._db: Rdict = Rdict(str(folder), options, access_type=AccessType.read_write())
        unlogged = WriteOptions()
        # A crash loses nothing: the next opening restores from the topic.
        unlogged.disable_wal = True  # type: ignore[method-assign, assignment] # the stub says method
        self._db.set_write_options(unlogged)
        self._size = 0

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        # Untyped: the library's get takes one key or many.
        with _disk():
            found: Any = self._db.get(list(keys))
        return list(found)

    def known(self, keys: Sequence[bytes]) -> list[bool]:
        return [found is not None for found in self.get(keys)]

    def put(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        # As a dict, so that a key that comes twice counts once.
        values = dict(items)
        self._size += self.known(list(values)).count(False)
        batch = self._batch(raw_mode=True)
        for key, value in values.items():
            batch.put(key, value)
        with _disk():
            self._db.write(batch)

    def delete(self, key: bytes) -> None:
        if self.known([key]) == [True]:
            self._size -= 1
            with _disk():
                del self._db[key]

    def keys(self) -> Iterator[bytes]:
        # Untyped, as with items.
        keys: Any = self._db.keys()
        yield from keys

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        # Untyped: the library's keys and values are of any kind.
        pairs: Any = self._db.items()
        yield from pairs

    def __len__(self) -> int:
        return self._size

    def close(self) -> None:
        # It writes out what it holds, which a full disk refuses, and which nobody will read.
        with suppress(OSError), _disk():
            self._db.close()
        # What could not be closed ends with the object, and lets the folder be opened again.
        del self._db
        shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def _disk() -> Iterator[None]:
    """The library raises a bare ``Exception`` for everything: a full or broken disk is an ``OSError``."""
    try:
        yield
    except Exception as error:
        if str(error).startswith("IO error"):
            raise OSError(str(error)) from error
        raise
