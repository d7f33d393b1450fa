"""The role ``store`` as it is, with a note of every insert: ``python -m tests.bench.recorded_store``.

An event is queryable when the engine's INSERT has returned: with ``async_insert = 0`` a part is visible to
every later SELECT from then on, and to none before. Neither ``_stored_at`` (taken before the insert) nor the
sink's percentiles (of the last 100,000 events) tell that time for every event, so the store's ``insert`` is
wrapped: when it returns, one line of JSON says when, into which table and how many rows, and for events the
pair (``sent_at``, milliseconds from there to now) of each row goes to a file of 64-bit integers beside it.
"""

from __future__ import annotations

import os
from pathlib import Path
from time import time
from typing import Any
from unittest.mock import patch

import msgspec
import numpy as np
import pyarrow as pa

from loopin_deploy.roles import run_role
from loopin_deploy.roles import store as store_role
from loopin_sinks.store import Store, StoreSettings, open_store
from tests.bench.inserts import FOLDER_SETTING, INSERTS, LATENCIES, Insert


class RecordedStore:
    """A store that notes its inserts; everything else is the store's own."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._inserts = (folder / INSERTS).open("ab", buffering=0)
        self._latencies = (folder / LATENCIES).open("ab", buffering=0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def insert(self, table: str, rows: pa.Table, *, token: str) -> None:
        """Insert, then note it."""
        await self._store.insert(table, rows, token=token)
        now = time()
        if table == "events":
            sent = rows["sent_at"].cast(pa.int64()).fill_null(0).to_numpy()
            self._latencies.write(np.column_stack((sent, int(now * 1000) - sent)).tobytes())
        self._inserts.write(msgspec.json.encode(Insert(now, table, len(rows))) + b"\n")


def main() -> None:
    folder = Path(os.environ[FOLDER_SETTING])

    def opened(settings: StoreSettings) -> Any:
        return RecordedStore(open_store(settings), folder)

    with patch.object(store_role, "open_store", opened):
        run_role("store")


if __name__ == "__main__":
    main()
