"""Connections to the ClickHouse engine inside this process, and threads that own them.

chDB serialises each connection, and leaves what a failed query has already produced for the next query on
the same connection. So a connection belongs to one thread, and none survives an exception.
"""

from __future__ import annotations

import asyncio
import fcntl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from clickhouse_connect.driver._chdbclient import ChdbClient
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from loopin_sinks.store.errors import STORE_BUSY, STORE_UNREACHABLE, StoreError, translate
from loopin_sinks.store.limits import Limits

T = TypeVar("T")

_CACHE_BYTES = 64 << 20


class Engine:
    """The engine on one folder, which only one process can open; it runs while a connection is open.

    Raises:
        StoreError: from ``connect``: ``store_busy`` or ``store_unreachable``.
    """

    def __init__(self, path: Path, memory_bytes: int) -> None:
        self._path = path
        self._options = {
            "max_server_memory_usage": memory_bytes,
            "mark_cache_size": _CACHE_BYTES,
            "primary_index_cache_size": _CACHE_BYTES,
            "index_mark_cache_size": _CACHE_BYTES,
            # By default queries that spill write to a system folder.
            "tmp_path": f"{path}/tmp/",
        }
        self._lock = threading.Lock()
        # Keeps the engine, and the folder's lock, while other connections are replaced.
        self._anchor: Client | None = None

    def connect(self, limits: Limits) -> Client:
        """A connection with settings of its own."""
        with self._lock:
            if self._anchor is None:
                self._anchor = self._open({})
            return self._open(limits)

    def close(self) -> None:
        """Let the folder go, once every other connection is closed."""
        with self._lock:
            anchor, self._anchor = self._anchor, None
        if anchor is not None:
            anchor.close()

    def _open(self, limits: Limits) -> Client:
        try:
            self._path.mkdir(parents=True, exist_ok=True, mode=0o700)
            return ChdbClient(
                str(self._path), settings=dict(limits), tz_mode="aware", chdb_options=self._options
            )
        except OSError as error:
            raise self._unusable_folder() from error
        except ClickHouseError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: ClickHouseError) -> StoreError:
        text = str(error)
        if "already initialized with path" in text:
            return StoreError(STORE_BUSY, "This process has another store open; close that one first.")
        if "EmbeddedServer" not in text:
            return translate(error)
        if _locked(self._path / "status"):
            return StoreError(
                STORE_BUSY,
                f"Another process uses the store in {self._path}; stop it or choose another LOOPIN_DATA_DIR.",
            )
        return self._unusable_folder()

    def _unusable_folder(self) -> StoreError:
        return StoreError(
            STORE_UNREACHABLE,
            f"The store cannot be opened in {self._path}; make it a writable folder, or set LOOPIN_DATA_DIR.",
        )


def _locked(status: Path) -> bool:
    """Whether a running engine holds the lock on its status file."""
    try:
        with status.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


class Lane:
    """Threads that run jobs on connections of their own, one each, opened when first needed."""

    def __init__(self, name: str, threads: int, connect: Callable[[], Client]) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=f"store-{name}")
        self._connect = connect
        self._own = threading.local()
        self._clients: set[Client] = set()

    async def run(self, job: Callable[[Client], T]) -> T:
        """The job's result. A cancelled caller leaves at once; the job ends in its thread.

        Raises:
            StoreError: what the job raised, translated, or ``store_unreachable`` after ``close``.
        """
        try:
            future = asyncio.get_running_loop().run_in_executor(self._executor, self._call, job)
        except RuntimeError as error:
            raise StoreError(STORE_UNREACHABLE, "The store is closed.") from error
        return await future

    async def close(self) -> None:
        """Wait for running jobs, then close the connections."""
        await asyncio.to_thread(self._close)

    def _call(self, job: Callable[[Client], T]) -> T:
        client: Client | None = getattr(self._own, "client", None)
        if client is None:
            client = self._own.client = self._connect()
            self._clients.add(client)
        try:
            return job(client)
        except Exception as error:
            self._own.client = None
            self._clients.discard(client)
            client.close()
            raise translate(error) from error

    def _close(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)
        while self._clients:
            self._clients.pop().close()
