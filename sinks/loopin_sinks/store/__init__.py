"""The ClickHouse store, embedded in this process or on a server, behind one interface."""

from __future__ import annotations

from loopin_sinks.store.errors import StoreError
from loopin_sinks.store.interface import MAX_RESULT_ROWS, RowStream, Store
from loopin_sinks.store.settings import StoreSettings

__all__ = ["MAX_RESULT_ROWS", "RowStream", "Store", "StoreError", "StoreSettings", "open_store"]


def open_store(settings: StoreSettings) -> Store:
    """The store that the settings name. It connects on first use: ``await store.ping()`` tells at once."""
    # Imported here: the embedded engine is a 300 MB library that a server's client never needs.
    if settings.embedded:
        from loopin_sinks.store.embedded import EmbeddedStore

        return EmbeddedStore(settings)
    from loopin_sinks.store.server import ServerStore

    return ServerStore(settings)
