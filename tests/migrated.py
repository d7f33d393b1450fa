"""Embedded stores with this release's tables, copied from one: migrating takes three times as long."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from loopin_sinks.migrate import migrate
from loopin_sinks.store import Store, StoreSettings, open_store


def make_template(folder: Path) -> Path:
    """A data folder whose store has its tables, empty; nobody may open it."""

    async def work() -> None:
        settings = StoreSettings(data_dir=folder)
        store = open_store(settings)
        try:
            await migrate(store, settings)
            # One part in place of one for each migration, most of the files that are copied.
            await store.command("OPTIMIZE TABLE schema_migrations FINAL")
            [whole] = await store.query(
                "SELECT path FROM system.parts WHERE table = 'schema_migrations' AND active"
            )
        finally:
            await store.close()
        parts = Path(whole["path"]).parent.glob("all_*")
        for part in parts:
            if part != Path(whole["path"]):
                shutil.rmtree(part)

    # In a thread of its own, whatever loop the caller's has.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work()).result()
    return folder


def fill(settings: StoreSettings, template: Path) -> None:
    """Give an embedded store its tables before it is first asked; its folder must not exist yet."""
    assert settings.embedded
    shutil.copytree(
        StoreSettings(data_dir=template).store_path, settings.store_path.absolute(), symlinks=True
    )


@asynccontextmanager
async def migrated_store(folder: Path, template: Path) -> AsyncIterator[Store]:
    """An embedded store with its tables, open, in a folder of its own."""
    chosen = StoreSettings(data_dir=folder / "data")
    fill(chosen, template)
    store = open_store(chosen)
    try:
        yield store
    finally:
        await store.close()
