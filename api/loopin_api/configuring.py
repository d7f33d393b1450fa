"""Changing what is configured, as the endpoints do it: with their refusals, and until the change is seen."""

from __future__ import annotations

import asyncio
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


class Configuring:
    """What is configured, and the way to change it; without ``config`` there is nothing."""

    def __init__(self, config: Configured | None, writer: Writer | None) -> None:
        self._config = config
        self._writer = writer
        self._nothing = Configuration()

    @property
    def configuration(self) -> Configuration:
        """As it is now."""
        return self._nothing if self._config is None else self._config.configuration

    async def put(
        self,
        id: str,
        body: msgspec.Struct,
        *,
        replaces: str | None,
        by: str,
        conflict: ApiError | None = None,
    ) -> None:
        """Keep an item in place of version ``replaces``, and return once it is known here.

        Raises:
            ApiError: 409, it is of another version (``conflict``, where given); 503, the broker does not
                answer.
        """
        try:
            item = await self._writing().put(id, body, replaces=replaces, by=by)
        except ConfigConflict as error:
            raise conflict or _changed(error) from None
        except (ConfigBusy, BrokerUnreachable, BrokerRefused) as error:
            raise unavailable("NOT_CONFIGURED", str(error)) from None
        await self._until(KIND_OF[type(body)], id, item.version)

    async def remove(self, kind: str, id: str, *, replaces: str) -> None:
        """Remove an item, and return once that is known here. Raises as ``put``."""
        try:
            await self._writing().remove(kind, id, replaces=replaces)
        except ConfigConflict as error:
            raise _changed(error) from None
        except (ConfigBusy, BrokerUnreachable, BrokerRefused) as error:
            raise unavailable("NOT_CONFIGURED", str(error)) from None
        await self._until(kind, id, None)

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


def _changed(error: ConfigConflict) -> ApiError:
    return ApiError(409, "CHANGED_MEANWHILE", str(error))
