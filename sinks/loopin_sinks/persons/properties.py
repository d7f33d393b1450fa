"""Properties of persons and groups: stored with their events, and read as they stand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final
from uuid import uuid4

from loopin_schemas.codec import decoder
from loopin_schemas.event import EnrichedEvent
from loopin_sinks.persons.mapping import PERSON_IDS
from loopin_sinks.persons.property_rows import (
    GROUP_PROPERTIES,
    LARGEST,
    ONCE,
    PERSON_PROPERTIES,
    SET,
    groups_to_arrow,
    persons_to_arrow,
    property_writes,
)
from loopin_sinks.store import Store

MAX_PROPERTIES: Final = 1_000
"""Most properties that are read of one person or group, the first by name."""

# What was set once counts where nothing was set, unless it was unset afterwards; its rank is turned around.
_OF_PERSON: Final = f"""
    WITH (
        SELECT argMax(person, revision) FROM {PERSON_IDS}
        WHERE project = {{project:String}} AND distinct_id = {{distinct_id:String}}
    ) AS found
    SELECT
        property,
        argMaxIf(value, (rank, distinct_id), register = '{SET}') AS given,
        argMaxIf(value, (rank, distinct_id), register = '{ONCE}') AS once,
        countIf(register = '{SET}') > 0 AND
            {LARGEST} - maxIf(rank, register = '{ONCE}') <= maxIf(rank, register = '{SET}') AS unset,
        multiIf(given != '', given, unset, '', once) AS found_value
    FROM {PERSON_PROPERTIES}
    WHERE project = {{project:String}} AND distinct_id IN (
        SELECT distinct_id FROM (
            SELECT distinct_id, argMax(person, revision) AS person FROM {PERSON_IDS}
            WHERE project = {{project:String}} GROUP BY distinct_id
        )
        WHERE person = if(found = '', {{distinct_id:String}}, found)
        UNION ALL SELECT if(found = '', {{distinct_id:String}}, found)
    )
    GROUP BY property HAVING found_value != '' ORDER BY property LIMIT {MAX_PROPERTIES}
"""

_OF_GROUP: Final = f"""
    SELECT property, argMax(value, rank) AS value FROM {GROUP_PROPERTIES}
    WHERE project = {{project:String}} AND group_type = {{type:String}} AND group_key = {{key:String}}
    GROUP BY property ORDER BY property LIMIT {MAX_PROPERTIES}
"""

_decode = decoder(Any).decode


async def store_properties(store: Store, events: Sequence[EnrichedEvent]) -> None:
    """Keep what events set; any number of times, in any order.

    Raises:
        StoreError: not all is stored.
    """
    persons, groups = await asyncio.to_thread(property_writes, events)
    # Each attempt has its own token: the same rows twice are replaced by their rank.
    if persons:
        await store.insert(PERSON_PROPERTIES, persons_to_arrow(persons), token=str(uuid4()))
    if groups:
        await store.insert(GROUP_PROPERTIES, groups_to_arrow(groups), token=str(uuid4()))


async def person_properties(store: Store, project: str, distinct_id: str) -> dict[str, Any]:
    """The properties of the person that a distinct_id is of.

    Raises:
        StoreError: the store did not answer.
    """
    rows = await store.query(_OF_PERSON, {"project": project, "distinct_id": distinct_id})
    return {row["property"]: _decode(row["found_value"].encode()) for row in rows}


async def group_properties(store: Store, project: str, group_type: str, group_key: str) -> dict[str, Any]:
    """The properties of a group.

    Raises:
        StoreError: the store did not answer.
    """
    rows = await store.query(_OF_GROUP, {"project": project, "type": group_type, "key": group_key})
    return {row["property"]: _decode(row["value"].encode()) for row in rows}
