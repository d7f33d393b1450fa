"""Where a partition's state is kept between batches: in memory, or on disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rocksdict import Rdict


class KeyedStore(Protocol):
    """Encoded values by key. Not the truth: that is the compacted topic it is restored from."""

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The value of each key, None where there is none."""
        ...

    def put(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Set values."""
        ...

    def delete(self, key: bytes) -> None:
        """Forget a key."""
        ...

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Every key with its value; nothing may change meanwhile."""
        ...

    def __len__(self) -> int: ...

    def close(self) -> None:
        """Let go of memory and files."""
        ...


class MemoryStore:
    """A dict of bytes: nothing in it is looked at by the garbage collector."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return list(map(self._values.get, keys))

    def put(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        self._values.update(items)

    def delete(self, key: bytes) -> None:
        self._values.pop(key, None)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        yield from self._values.items()

    def __len__(self) -> int:
        return len(self._values)

    def close(self) -> None:
        self._values.clear()


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

    def put(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        # As a dict, so that a key that comes twice counts once.
        values = dict(items)
        self._size += self.get(list(values)).count(None)
        batch = self._batch(raw_mode=True)
        for key, value in values.items():
            batch.put(key, value)
        with _disk():
            self._db.write(batch)

    def delete(self, key: bytes) -> None:
        if self.get([key]) != [None]:
            self._size -= 1
            with _disk():
                del self._db[key]

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
