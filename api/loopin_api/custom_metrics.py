"""The metrics: those of the catalogue, and those that projects have defined."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Final, Protocol, TypeVar

import msgspec

from loopin_api.errors import ApiError, unavailable
from loopin_api.keys import Configured
from loopin_schemas.config import KIND_OF
from loopin_schemas.metrics import CATALOGUE, Metric, by_name
from loopin_schemas.metrics.custom import MAX_CUSTOM, CustomMetric
from loopin_streams.kafka.config_state import Item
from loopin_streams.kafka.errors import BrokerRefused, BrokerUnreachable, ConfigBusy, ConfigConflict

T = TypeVar("T", bound=msgspec.Struct)

KIND: Final = KIND_OF[CustomMetric]

SEEN_S: Final = 5.0
"""How long a change may take to come back, in seconds; it takes milliseconds."""

_POLL_S: Final = 0.01


class Writer(Protocol):
    """Changes what is configured: see ``loopin_streams.kafka.config_writer.ConfigWriter``."""

    async def put(self, id: str, body: T, *, replaces: str | None, by: str) -> Item[T]: ...
    async def remove(self, kind: str, id: str, *, replaces: str) -> None: ...


class Metrics:
    """Finds metrics by project and name; without ``config`` there are those of the catalogue only."""

    def __init__(self, config: Configured | None, writer: Writer | None) -> None:
        self._config = config
        self._writer = writer

    def custom(self, project: str) -> list[Metric]:
        """A project's own, by name."""
        return sorted((item.body.metric() for item in self._items(project)), key=lambda metric: metric.name)

    def all(self, project: str) -> list[Metric]:
        """The catalogue's, then the project's own."""
        return [*CATALOGUE, *self.custom(project)]

    def find(self, project: str, name: str) -> Metric:
        """The metric of exactly this name.

        Raises:
            ApiError: 404, there is none.
        """
        found = by_name(name) or next((each for each in self.custom(project) if each.name == name), None)
        if found is None:
            raise ApiError(
                404,
                "UNKNOWN_METRIC",
                "There is no metric of this name; GET /api/analytics/metric-definitions lists them.",
            )
        return found

    async def add(self, defined: CustomMetric, by: str) -> Metric:
        """Keep a metric of a project's own, and return once it is known here.

        Raises:
            ApiError: 409, its name is taken, or there are too many; 503, the broker does not answer.
        """
        if by_name(defined.name) is not None:
            raise _taken()
        if len(self._items(defined.project)) >= MAX_CUSTOM:
            raise ApiError(
                409, "TOO_MANY_METRICS", f"A project may have {MAX_CUSTOM} metrics of its own; delete one."
            )
        try:
            item = await self._writing().put(defined.id, defined, replaces=None, by=by)
        except ConfigConflict:
            raise _taken() from None
        except (ConfigBusy, BrokerUnreachable, BrokerRefused) as error:
            raise unavailable("NOT_CONFIGURED", str(error)) from None
        await self._until(defined.id, item.version)
        return defined.metric()

    async def remove(self, project: str, name: str) -> None:
        """Forget a metric of a project's own; its events stay.

        Raises:
            ApiError: 404, there is none of this name; 409, it has just been changed; 503, as ``add``.
        """
        item = next((each for each in self._items(project) if each.body.name == name), None)
        if item is None:
            self.find(project, name)  # says that there is none at all
            raise ApiError(
                409,
                "METRIC_OF_THE_CATALOGUE",
                "A metric of the catalogue stays; only your own can be deleted.",
            )
        try:
            await self._writing().remove(KIND, item.id, replaces=item.version)
        except ConfigConflict as error:
            raise ApiError(409, "CHANGED_MEANWHILE", str(error)) from None
        except (ConfigBusy, BrokerUnreachable, BrokerRefused) as error:
            raise unavailable("NOT_CONFIGURED", str(error)) from None
        await self._until(item.id, None)

    def _items(self, project: str) -> Sequence[Item[CustomMetric]]:
        if self._config is None:
            return ()
        found = self._config.configuration.of(CustomMetric).values()
        return [item for item in found if item.body.project == project]

    def _writing(self) -> Writer:
        if self._writer is None:
            raise unavailable("NOT_CONFIGURED", "This API cannot change what is configured; ask another one.")
        return self._writer

    async def _until(self, id: str, version: str | None) -> None:
        """Wait until the change has come back, so that whoever made it sees it."""
        deadline = monotonic() + SEEN_S
        while self._config is not None and self._config.configuration.version(KIND, id) != version:
            if monotonic() > deadline:
                return
            await asyncio.sleep(_POLL_S)


def _taken() -> ApiError:
    return ApiError(409, "NAME_TAKEN", "A metric of this name exists; choose another name.")
