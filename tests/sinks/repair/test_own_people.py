"""A project's own people are in no window: not in the stream's, nor in those that a repair makes.

The oracle is a plain count of the events without theirs.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import uuid4

import pyarrow as pa

from loopin_schemas.event import EnrichedEvent
from loopin_schemas.window import Grain
from loopin_sinks.persons.mapping import PERSON_IDS
from loopin_sinks.persons.rows import IDS_SCHEMA
from loopin_sinks.repair.recompute import recompute_windows
from loopin_sinks.store import Store
from loopin_streams.projects.project import Projects
from tests.sinks.repair.plain import DAY_MS, HOUR_MS, MINUTE_MS, Happened, quiet_day, some_events, windows_of
from tests.sinks.repair.stored import STREAM, store_events, windows_found
from tests.sinks.repair.stream import Stream, raw
from tests.streams.projects.own import configured

NOW = quiet_day() + 20 * MINUTE_MS
SIZES: dict[Grain, int] = {"minute": MINUTE_MS, "hour": HOUR_MS, "day": DAY_MS}
PEOPLE = {"shop": {"u1", "u3"}, "demo": {"u2"}}
CONFIGURED = configured(
    shop={"internal_users": ["u1", "u3", "nobody"]},
    demo={"internal_users": ["u2"], "currency": "INR", "timezone": "Europe/Berlin"},
)


def happened() -> list[Happened]:
    moments = [NOW - at * MINUTE_MS for at in range(25)]
    return [event._replace(sentiment=None) for event in some_events(5, moments, ["shop", "demo", "x"], 900)]


def without(events: Iterable[Happened]) -> list[Happened]:
    return [event for event in events if event.distinct_id not in PEOPLE.get(event.project, ())]


async def recompute(store: Store, projects: Projects, events: Iterable[EnrichedEvent]) -> None:
    wanted: dict[tuple[str, Grain], set[int]] = {}
    for event in events:
        for grain, size in SIZES.items():
            wanted.setdefault((event.project, grain), set()).add(event.timestamp // size * size)
    for (project, grain), starts in wanted.items():
        of = projects.of(project)
        await recompute_windows(store, project, grain, sorted(starts), of=of, now_ms=STREAM)


async def test_stream_and_repair_leave_out_the_same_people(embedded_tables: Store) -> None:
    projects = Projects(configuration=lambda: CONFIGURED)
    events, stream = happened(), Stream(projects)
    stream.send(map(raw, events), NOW)
    assert len(stream.enriched) == len(events), "they are enriched and stored all the same"
    truth = windows_of(without(events))
    assert truth != windows_of(events)
    assert stream.windows == truth
    await store_events(embedded_tables, stream.enriched)
    await recompute(embedded_tables, projects, stream.enriched)
    assert await windows_found(embedded_tables) == truth


async def test_a_repair_leaves_out_all_ids_of_those_persons(embedded_tables: Store) -> None:
    projects = Projects(configuration=lambda: configured(shop={"internal_users": ["u1"]}))
    events = [
        Happened("shop", "$pageview", user, NOW + at) for at, user in enumerate(["u1", "phone-of-u1", "u2"])
    ]
    stream = Stream(projects)
    stream.send(map(raw, events), NOW + 1000)
    minute = ("shop", "events", "", "", "minute", NOW)
    assert {tuple(series): numbers.number for series, numbers in stream.windows.items()}[minute] == 2
    await store_events(embedded_tables, stream.enriched)
    same = {"project": "shop", "person": "u1", "revision": 1, "_stored_at": datetime.now(UTC)}
    rows = [{**same, "distinct_id": each} for each in ("u1", "phone-of-u1")]
    ids = pa.Table.from_pylist(rows, schema=IDS_SCHEMA)
    await embedded_tables.insert(PERSON_IDS, ids, token=str(uuid4()))
    await recompute(embedded_tables, projects, stream.enriched)
    found = await windows_found(embedded_tables)
    assert {tuple(series): numbers.number for series, numbers in found.items()}[minute] == 1
