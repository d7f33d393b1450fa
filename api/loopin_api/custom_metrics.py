"""The metrics: those of the catalogue, and those that projects have defined."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from loopin_api.config_items import ConfigItems
from loopin_api.errors import ApiError
from loopin_schemas.metrics import CATALOGUE, Metric, by_name
from loopin_schemas.metrics.custom import MAX_CUSTOM, CustomMetric
from loopin_streams.kafka.config_state import Item
from loopin_streams.projects.bounds import bounded


class Metrics:
    """Finds metrics by project and name."""

    def __init__(self, items: ConfigItems) -> None:
        self._items = items

    def custom(self, project: str) -> list[Metric]:
        """A project's own, by name."""
        return sorted((item.body.metric() for item in self._of(project)), key=lambda metric: metric.name)

    def all(self, project: str) -> list[Metric]:
        """The catalogue's, then the project's own, with its targets and limits."""
        return [bounded(metric, project, self._items) for metric in (*CATALOGUE, *self.custom(project))]

    def find(self, project: str, name: str) -> Metric:
        """The metric of exactly this name, with the project's target and limits.

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
        return bounded(found, project, self._items)

    async def add(self, defined: CustomMetric, by: str) -> Metric:
        """Keep a metric of a project's own, and return once it is known here.

        Raises:
            ApiError: 409, its name is taken, or there are too many; 503, the broker does not answer.
        """
        taken = ApiError(409, "NAME_TAKEN", "A metric of this name exists; choose another name.")
        if by_name(defined.name) is not None:
            raise taken
        if len(self._of(defined.project)) >= MAX_CUSTOM:
            raise ApiError(
                409, "TOO_MANY_METRICS", f"A project may have {MAX_CUSTOM} metrics of its own; delete one."
            )
        await self._items.put(defined.id, defined, replaces=None, by=by, taken=taken)
        return defined.metric()

    async def remove(self, project: str, name: str, judged_by: Collection[str]) -> None:
        """Forget a metric of a project's own, unless rules of alerts judge it; its events stay.

        Raises:
            ApiError: 404, there is none of this name; 409, there are such rules, or it has just been changed;
                503, as ``add``.
        """
        item = next((each for each in self._of(project) if each.body.name == name), None)
        if item is None:
            self.find(project, name)  # says that there is none at all
            raise ApiError(
                409,
                "METRIC_OF_THE_CATALOGUE",
                "A metric of the catalogue stays; only your own can be deleted.",
            )
        if judged_by:
            raise ApiError(
                409,
                "METRIC_IS_JUDGED",
                f"Rules of alerts judge this metric; delete or change them first: {', '.join(judged_by)}.",
            )
        await self._items.remove(item)

    def _of(self, project: str) -> Sequence[Item[CustomMetric]]:
        found = self._items.of(CustomMetric).values()
        return [item for item in found if item.body.project == project]
