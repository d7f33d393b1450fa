"""``loopin migrate``."""

from __future__ import annotations

import asyncio

from loopin_deploy.commands.options import Data
from loopin_deploy.data_folder import holder
from loopin_deploy.errors import DeployError
from loopin_deploy.screen import out
from loopin_sinks.migrate import migrate
from loopin_sinks.store import StoreSettings, open_store


def migrate_store(data: Data) -> None:
    """Bring the store's tables up to date."""
    settings = StoreSettings(data_dir=data)
    if settings.embedded and (pid := holder(data)) is not None:
        raise DeployError(
            "data_folder_in_use",
            str(data),
            f"The store of {data} belongs to process {pid}, which has brought it up to date when it started: "
            "to do it now, stop that process first (`loopin down`).",
        )

    async def work() -> list[str]:
        store = open_store(settings)
        try:
            return await migrate(store, settings)
        finally:
            await store.close()

    applied = asyncio.run(work())
    for name in applied:
        out.print(f"applied {name}", highlight=False)
    if not applied:
        out.print("The store is up to date.")
