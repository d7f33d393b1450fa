"""The stream's windows, once more, from the stored events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from loopin_schemas.catalogue import CATALOGUE
from loopin_schemas.catalogue.system import SYSTEM
from loopin_schemas.metrics.stream import MEASURES, Measured, Ratio
from loopin_schemas.window import Grain
from loopin_sinks.metric_values.sql import Conditions, users_of
from loopin_sinks.persons.mapping import PERSON_OF_ID
from loopin_sinks.store import Store
from loopin_sinks.window_rows import METRIC_WINDOWS
from loopin_streams.projects.project import Project

REPAIR_REVISION: Final = 1 << 62
"""Added to a repair's epoch ms: its rows outrank all of the stream's."""

START: Final[dict[Grain, str]] = {
    "minute": "toStartOfMinute(timestamp)",
    "hour": "toStartOfHour(timestamp)",
    "day": "toStartOfDay(timestamp)",
}
"""In SQL, when the window that an event belongs to begins."""

# FINAL: what a client sent again after hours lies there twice until the engine merges it.
# Users are persons here, whom the stream does not know: it counts distinct_ids.
_EVENTS: Final = f"""
    SELECT
        event, if(known.person = '', events.distinct_id, known.person) AS person, sentiment,
        toDateTime(<start>, 'UTC') AS window_start,
        if(event IN {{purchases:Array(String)}}, 1, -1) AS sign,
        if(
            event IN {{money:Array(String)}} AND abs(amount) < 1e12,
            toDecimal128(sign * toInt64(round(amount * 1e6)), 0),
            NULL
        ) AS moved,
        upper(trim(BOTH ' ' FROM toString(currency))) AS given,
        multiIf(
            given = '', {{home:String}}, match(given, '^[A-Z][A-Z][A-Z]$'), given, 'other'
        ) AS code,
        if(tupleElement(_typed, 'country') != '', 'country', '$geoip_country_code') AS named_by,
        country != '' AND lengthUTF8(country) <= 100 AND JSONType(properties, named_by) = 'String'
            AS located,
        if(located, [('', ''), ('country', toString(country))], [('', '')]) AS places,
        arrayConcat([('event', toString(event))], places) AS dimensions,
        arrayFilter(each -> each.2 > 0 OR each.3 != 0, [<own>]) AS own
    FROM events FINAL LEFT ANY JOIN ({PERSON_OF_ID}) AS known ON known.distinct_id = events.distinct_id
    WHERE project = {{project:String}} AND NOT is_bot <people>
        AND toDate(timestamp) IN {{days:Array(Date)}}
        AND toUnixTimestamp(toDateTime(<start>, 'UTC')) IN {{starts:Array(Int64)}}
"""

_NOTHING: Final = "CAST(NULL AS Nullable(Decimal(38, 0)))"

_UNMEASURED: Final = f"{_NOTHING} AS total, {_NOTHING} AS least, {_NOTHING} AS greatest"

_MEASURES: Final[dict[str, str]] = {
    "events": f"""
        SELECT 'events' AS metric, of.1 AS dimension, of.2 AS value, window_start,
            count() AS number, {_UNMEASURED}
        FROM found ARRAY JOIN dimensions AS of GROUP BY dimension, value, window_start
    """,
    "active_users": f"""
        SELECT 'active_users' AS metric, of.1 AS dimension, of.2 AS value, window_start,
            uniqExact(person) AS number, {_UNMEASURED}
        FROM found ARRAY JOIN dimensions AS of WHERE NOT has({{system:Array(String)}}, event)
        GROUP BY dimension, value, window_start
    """,
    "revenue": """
        SELECT 'revenue' AS metric, of.1 AS dimension, of.2 AS value, window_start,
            count() AS number, sum(moved) AS total, min(moved) AS least, max(moved) AS greatest
        FROM found
        ARRAY JOIN arrayConcat(if(code = {home:String}, dimensions, []), [('currency', code)]) AS of
        WHERE moved IS NOT NULL GROUP BY dimension, value, window_start
    """,
    "sentiment": """
        SELECT 'sentiment' AS metric, of.1 AS dimension, of.2 AS value, window_start,
            count() AS number, sum(scored) AS total, min(scored) AS least, max(scored) AS greatest
        FROM (
            SELECT *, toDecimal128(toInt64(round(sentiment * 1e6)), 0) AS scored
            FROM found WHERE sentiment IS NOT NULL
        )
        ARRAY JOIN dimensions AS of GROUP BY dimension, value, window_start
    """,
    "own": """
        SELECT one.1 AS metric, of.1 AS dimension, of.2 AS value, window_start, sum(one.2) AS number,
            sum(toDecimal128(one.3, 0)) AS total,
            if(any(one.4), min(toDecimal128(one.3, 0)), NULL) AS least,
            if(any(one.4), max(toDecimal128(one.3, 0)), NULL) AS greatest
        FROM found ARRAY JOIN own AS one ARRAY JOIN places AS of
        GROUP BY metric, dimension, value, window_start
    """,
}
"""Each metric of the stream's windows; sums are whole millionths, as the stream's are.

Those of the catalogue with series of their own stand together, as ``own``.
"""

METRICS: Final = (*(name for name in _MEASURES if name != "own"), *(each.metric for each in MEASURES))
"""All metrics of the stream's windows that are made of events."""

# A series that the stream has but the events do not (`$other`) gets a row that counts nothing. A revision is
# greater than the one it replaces, whatever the clock says: that may have been another machine's.
_INSERT: Final = f"""
INSERT INTO {METRIC_WINDOWS}
    (project, metric, dimension, dimension_value, grain, start, count, sum, min, max, closed, basis, revision,
    _stored_at, _retention_days)
WITH found AS (<events>)
SELECT
    {{project:String}}, metric, dimension, value, {{grain:String}}, window_start, sum(number),
    <total>, <least>, <greatest>, true, 'persons', greatest({{revision:UInt64}}, max(replaced) + 1),
    now64(3), {{kept_days:UInt16}}
FROM (
    SELECT *, toUInt64(0) AS replaced FROM (<measures>)
    UNION ALL
    SELECT metric, dimension, dimension_value AS value, start AS window_start,
        toUInt64(0) AS number, {_UNMEASURED}, max(revision) AS replaced
    FROM {METRIC_WINDOWS}
    WHERE project = {{project:String}} AND metric IN {{metrics:Array(String)}} AND grain = {{grain:String}}
        AND toUnixTimestamp(start) IN {{starts:Array(Int64)}}
    GROUP BY metric, dimension, value, window_start
)
GROUP BY metric, dimension, value, window_start
"""

PURCHASES: Final = tuple(event.name for event in CATALOGUE if event.revenue > 0)
REFUNDS: Final = tuple(event.name for event in CATALOGUE if event.revenue < 0)


async def recompute_windows(
    store: Store,
    project: str,
    grain: Grain,
    starts: Sequence[int],
    *,
    of: Project,
    now_ms: int,
) -> None:
    """Replace a project's windows that begin at ``starts`` (epoch ms, all of one month).

    ``of`` says in which money, without whom, and how long they are kept.

    Raises:
        StoreError: nothing was replaced.
    """
    conditions = Conditions({"project": project})
    people = f"AND user NOT IN ({users_of(conditions, sorted(of.internal))})" if of.internal else ""
    sql = _sql(grain).replace("<own>", ", ".join(_own(measure, conditions) for measure in MEASURES))
    sql = sql.replace("<people>", people)
    await store.command(
        sql,
        {
            **conditions.parameters,
            "grain": grain,
            "starts": [start // 1000 for start in starts],
            "days": sorted({_date(start) for start in starts}),
            "purchases": list(PURCHASES),
            "money": [*PURCHASES, *REFUNDS],
            "system": [event.name for event in SYSTEM],
            "metrics": list(METRICS),
            "home": of.currency,
            "revision": REPAIR_REVISION + now_ms,
            "kept_days": of.retention.of(grain),
        },
    )


def _own(measure: Ratio | Measured, conditions: Conditions) -> str:
    """In SQL, what an event adds: metric, count, sum in millionths, and whether that is a measured value."""
    name = conditions.bind(measure.metric, "String")
    if isinstance(measure, Ratio):
        whole, part = conditions.matches(measure.whole), conditions.matches(measure.part)
        return f"({name}, toUInt8({whole}), toInt64(if({part}, 1000000, 0)), false)"
    of = measure.of
    counts = f"({conditions.matches(of.of)} AND {conditions.counts(of)})"
    less, by = conditions.bind(of.less, "Float64"), conditions.bind(of.by, "Float64")
    value = f"toInt64(round((ifNull({conditions.number(of.property)}, 0) - {less}) / {by} * 1e6))"
    return f"({name}, toUInt8({counts}), if({counts}, {value}, toInt64(0)), true)"


def _sql(grain: Grain) -> str:
    sql = _INSERT.replace("<measures>", "UNION ALL".join(_MEASURES.values()))
    for name in ("total", "least", "greatest"):
        # Exact: a decimal with six places, divided by a million, keeps all of them.
        sql = sql.replace(f"<{name}>", f"CAST(any({name}) AS Nullable(Decimal(38, 6))) / 1000000")
    return sql.replace("<events>", _EVENTS).replace("<start>", START[grain])


def _date(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d}"
