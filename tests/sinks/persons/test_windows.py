"""Stored windows after a merge and its end: asked for where they differ, and then those of a plain count."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from time import time
from uuid import uuid4

import pytest

from loopin_schemas.identity import PersonMerge
from loopin_sinks.persons import overlaps
from loopin_sinks.persons.mapping import PERSON_IDS
from loopin_sinks.persons.overlaps import request_overlaps
from loopin_sinks.persons.rows import ids_to_arrow
from loopin_sinks.repair.recompute import recompute_windows
from loopin_sinks.repair.requests import note_outcome, pending_repairs
from loopin_sinks.store import Store
from loopin_streams.projects.project import Project, Retention
from tests.sinks.persons.journal import merge
from tests.sinks.repair.plain import (
    DAY_MS,
    HOME,
    HOUR_MS,
    Happened,
    Series,
    quiet_day,
    some_events,
    windows_of,
)
from tests.sinks.repair.stored import (
    KEPT_DAYS,
    all_rows,
    enriched,
    newest_rows,
    store_events,
    store_windows,
    windows_found,
)

DAY = quiet_day()
MOMENTS = (DAY, DAY + 3 * HOUR_MS, DAY + DAY_MS)


async def decided(store: Store, *merges: PersonMerge) -> None:
    """What the sink does with decisions."""
    await store.insert(PERSON_IDS, ids_to_arrow(merges, int(time() * 1000)), token=str(uuid4()))
    await request_overlaps(store, merges)


async def repaired(store: Store) -> set[tuple[str, str, int]]:
    """Recompute what was asked for, as the repairer does once no stream holds it; what that was."""
    requests = sorted(await pending_repairs(store))
    for (project, grain), group in groupby(requests, key=lambda request: request.window[:2]):
        of_group = list(group)
        await recompute_windows(
            store,
            project,
            grain,
            [request.window.start for request in of_group],
            of=Project(currency=HOME, retention=Retention(KEPT_DAYS)),
            now_ms=int(time() * 1000),
        )
        await note_outcome(store, of_group, "repaired")
    return {(window.project, window.grain, window.start) for window, _ in requests}


def of_persons(events: Sequence[Happened], person_of: dict[str, str], project: str) -> list[Happened]:
    """The events as if each person had had one id all along."""
    return [
        event._replace(distinct_id=person_of.get(event.distinct_id, event.distinct_id))
        if event.project == project
        else event
        for event in events
    ]


def at(series: Series) -> tuple[str, str, int]:
    return series.project, series.grain, series.start


@pytest.mark.parametrize("ids_at_once", [2, 1000])
async def test_windows_become_those_of_persons_and_of_ids_again(
    tables: Store, monkeypatch: pytest.MonkeyPatch, ids_at_once: int
) -> None:
    monkeypatch.setattr(overlaps, "IDS_AT_ONCE", ids_at_once)
    events = some_events(ids_at_once, MOMENTS, ["demo", "shop"], 150)
    await store_events(tables, map(enriched, events))
    apart = windows_of(events)
    await store_windows(tables, apart)
    await decided(
        tables,
        merge(1, "u0", ["u1"], ["u0"]),
        merge(2, "u0", ["u2", "never"], ["u0", "u1"], revision=1),
        merge(3, "nobody", ["u5"], ["nobody"], revision=2),
    )
    done = await repaired(tables)
    person_of = {"u1": "u0", "u2": "u0", "u5": "nobody"}
    joined = windows_of(of_persons(events, person_of, "demo"))
    assert await newest_rows(tables) == joined
    changed = {at(series) for series in joined if joined[series] != apart[series]}
    assert changed <= done < {at(series) for series in apart}
    assert {series.project for series, revision, _ in await all_rows(tables) if revision >= 1 << 62} == {
        "demo"
    }

    await decided(tables, merge(1, "u1", ["u1"], ["u0", "u2", "never"], revision=3, kind="unmerge"))
    await repaired(tables)
    rest = windows_of(of_persons(events, {"u2": "u0", "u5": "nobody"}, "demo"))
    assert await windows_found(tables) == rest
    assert await pending_repairs(tables) == []
