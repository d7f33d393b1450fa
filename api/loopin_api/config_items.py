"""What is configured, as the API reads and changes it: whoever has changed an item sees it from then on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Final, Protocol, TypeVar

import msgspec

from loopin_api.errors import ApiError, unavailable
from loopin_api.keys import Configured
from loopin_schemas.config import KIND_OF
from loopin_streams.kafka.config_state import Configuration, Item
from loopin_streams.kafka.errors import BrokerRefused, BrokerUnreachable, ConfigBusy, ConfigConflict

T = TypeVar("T", bound=msgspec.Struct)

SEEN_S: Final = 5.0
"""How long a change may take to come back, in seconds; it takes milliseconds."""

_POLL_S: Final = 0.01


class Writer(Protocol):
    """Changes what is configured: see ``loopin_streams.kafka.config_writer.ConfigWriter``."""

    async def put(self, id: str, body: T, *, replaces: str | None, by: str) -> Item[T]: ...
    async def remove(self, kind: str, id: str, *, replaces: str) -> None: ...


class ConfigItems:
    """Without ``config`` there are none; without ``writer`` they cannot be changed."""

    def __init__(self, config: Configured | None, writer: Writer | None) -> None:
        self._config = config
        self._writer = writer
        self._nothing = Configuration()

    @property
    def changes(self) -> tuple[int, int]:
        """Another value after each change."""
        return id(self.configuration), self.configuration.changes

    @property
    def configuration(self) -> Configuration:
        """All that is configured, as it is now."""
        return self._nothing if self._config is None else self._config.configuration

    def of(self, body: type[T]) -> Mapping[str, Item[T]]:
        """The items of a kind, named by the type of its body, by id."""
        return self.configuration.of(body)

    async def put(
        self, id: str, body: T, *, replaces: str | None, by: str, taken: ApiError | None = None
    ) -> Item[T]:
        """Keep an item in place of version ``replaces``, and return once it is known here.

        Raises:
            ApiError: 409, it is of another version by now, or ``taken``; 503, the broker does not answer.
        """
        try:
            item = await self._writing().put(id, body, replaces=replaces, by=by)
        except ConfigConflict as error:
            raise taken or changed_meanwhile(error) from None
        except (ConfigBusy, BrokerUnreachable, BrokerRefused) as error:
            raise unavailable("NOT_CONFIGURED", str(error)) from None
        await self._until(KIND_OF[type(body)], id, item.version)
        return item

    async def remove(self, item: Item[T]) -> None:
        """Remove an item; raises as ``put``."""
        kind = KIND_OF[type(item.body)]
        try:
            await self._writing().remove(kind, item.id, replaces=item.version)
        except ConfigConflict as error:
            raise changed_meanwhile(error) from None
        except (ConfigBusy, BrokerUnreachable, BrokerRefused) as error:
            raise unavailable("NOT_CONFIGURED", str(error)) from None
        await self._until(kind, item.id, None)

    def _writing(self) -> Writer:
        if self._writer is None:
            raise unavailable("NOT_CONFIGURED", "This API cannot change what is configured; ask another one.")
        return self._writer

    async def _until(self, kind: str, id: str, version: str | None) -> None:
        """Wait until the change has come back, so that whoever made it sees it."""
        deadline = monotonic() + SEEN_S
        while self._config is not None and self.configuration.version(kind, id) != version:
            if monotonic() > deadline:
                return
            await asyncio.sleep(_POLL_S)


def changed_meanwhile(error: ConfigConflict) -> ApiError:
    """409: somebody else came first."""
    return ApiError(409, "CHANGED_MEANWHILE", str(error))
