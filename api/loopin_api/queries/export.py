"""The stored events of a project, row by row, with every value as text or a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from loopin_api.timespan import Timespan
from loopin_sinks.persons.mapping import LINKED, person_name, person_uuid

JSON_COLUMNS: Final = frozenset({"properties", "warnings"})
"""Columns whose text is JSON."""

# The order is the table's own: sorted as it is read, in constant memory.
_EVENTS: Final = f"""
WITH ({LINKED}) AS linked
SELECT
    toString(e.uuid) AS uuid,
    e.event AS event,
    e.distinct_id AS distinct_id,
    {person_uuid("e.project", person_name("e.distinct_id", "linked"))} AS person_id,
    concat(replaceOne(toString(e.timestamp), ' ', 'T'), 'Z') AS timestamp,
    concat(replaceOne(toString(e.received_at), ' ', 'T'), 'Z') AS received_at,
    concat(replaceOne(toString(e.original_timestamp), ' ', 'T'), 'Z') AS original_timestamp,
    concat(replaceOne(toString(e.sent_at), ' ', 'T'), 'Z') AS sent_at,
    e.session_id AS session_id,
    e.source AS source,
    toString(e.parent_uuid) AS parent_uuid,
    e.sentiment AS sentiment,
    e.sentiment_label AS sentiment_label,
    toJSONString(e.warnings) AS warnings,
    e.properties AS properties
FROM events AS e
WHERE e.project = {{project:String}}
    AND e.timestamp >= {{start:DateTime64(3, 'UTC')}} AND e.timestamp < {{end:DateTime64(3, 'UTC')}}
    AND (empty({{events:Array(String)}}) OR has({{events:Array(String)}}, e.event))
    AND (empty({{users:Array(String)}}) OR has({{users:Array(String)}}, e.distinct_id))
ORDER BY e.project, toDate(e.timestamp), e.event, e.user, e.timestamp, cityHash64(e.uuid)
"""


def export_events(
    project: str, span: Timespan, events: Sequence[str], users: Sequence[str]
) -> tuple[str, dict[str, object]]:
    """SQL and parameters of an export; no ``events`` or ``users`` means all of them."""
    bound: dict[str, object] = {
        "project": project,
        "start": span.start,
        "end": span.end,
        "events": list(events),
        "users": list(users),
    }
    return _EVENTS, bound
