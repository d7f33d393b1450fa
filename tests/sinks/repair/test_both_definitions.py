"""A metric is defined twice, for the stream and for the repair: of the same events both must say the same."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterable
from math import isfinite

import pytest

from loopin_schemas.event import EnrichedEvent
from loopin_schemas.window import Grain
from loopin_sinks.repair.recompute import recompute_windows
from loopin_sinks.repair.requests import late_windows
from loopin_sinks.store import Store
from loopin_sinks.window_rows import WindowRef
from loopin_streams.projects.project import Project, Retention
from loopin_streams.windows.measures import MEASURES
from tests.seeds import seeds
from tests.sinks.repair.plain import (
    AMOUNTS,
    COUNTRIES,
    CURRENCIES,
    DAY_MS,
    HOME,
    HOUR_MS,
    MINUTE_MS,
    SIGNS,
    SYSTEM,
    USUAL,
    Happened,
    quiet_day,
    some_events,
    windows_of,
)
from tests.sinks.repair.stored import KEPT_DAYS, STREAM, store_events, store_windows, windows_found
from tests.sinks.repair.stream import Stream, raw

SIZES: dict[Grain, int] = {"minute": MINUTE_MS, "hour": HOUR_MS, "day": DAY_MS}
KEPT: dict[Grain, int] = {"minute": HOUR_MS, "hour": 6 * HOUR_MS, "day": 2 * DAY_MS}
"""How long after their end the stream holds windows open."""

NOW = quiet_day() + 20 * MINUTE_MS
"""Shortly after midnight, so that events lie in two days."""

TEXTS = (
    "What a great evening!",
    "terrible, never again :(",
    "meh",
    "  ",
    "\U0001f600",
    "ok but late",
    "x" * 300,
)


async def recompute(store: Store, windows: Iterable[WindowRef]) -> None:
    wanted: dict[tuple[str, Grain], list[int]] = {}
    for window in windows:
        wanted.setdefault((window.project, window.grain), []).append(window.start)
    for (project, grain), starts in wanted.items():
        of = Project(currency=HOME, retention=Retention(KEPT_DAYS))
        await recompute_windows(store, project, grain, starts, of=of, now_ms=STREAM)


def all_windows(events: Iterable[EnrichedEvent]) -> set[WindowRef]:
    return {
        WindowRef(event.project, grain, event.timestamp // size * size)
        for event in events
        for grain, size in SIZES.items()
    }


def odd_number(draw: random.Random) -> str:
    """JSON that is a number, looks like one, or is none."""
    kind = draw.randrange(5)
    if kind == 0:
        return draw.choice(list(AMOUNTS))
    if kind == 1:
        return json.dumps("".join(draw.choices("0123456789.eE+-_ xNaif\t", k=draw.randrange(9))))
    if kind == 2:
        number: float = struct.unpack("<d", draw.randbytes(8))[0]
        return repr(number) if isfinite(number) else json.dumps(str(number))
    number = draw.uniform(-1, 1) * 10 ** draw.randrange(-7, 13)
    written = draw.choice(
        [f"{number!r}", f"{number:.3f}", f"{number:e}", f"{number:.9E}", f"{round(number)}"]
    )
    return written if kind == 3 else json.dumps(written)


def odd_event(draw: random.Random) -> Happened:
    properties = []
    for name, chance, text in (
        ("amount", 0.7, odd_number(draw)),
        ("currency", 0.6, draw.choice([*CURRENCIES, odd_number(draw)])),
        ("country", 0.6, draw.choice([*COUNTRIES, odd_number(draw)])),
        ("$geoip_country_code", 0.5, draw.choice([*COUNTRIES, odd_number(draw)])),
        ("text", 0.4, json.dumps(draw.choice(TEXTS))),
        ("other", 0.5, odd_number(draw)),
        ("rating", 0.5, draw.choice(["4", odd_number(draw)])),
        ("status", 0.5, draw.choice(["503", odd_number(draw)])),
        ("duration_ms", 0.5, odd_number(draw)),
    ):
        if draw.random() < chance:
            properties.append(f'"{name}":{draw.choice(["", " "])}{text}')
        # A name may come twice; an encoder may write it in another way.
        if draw.random() < 0.02:
            properties.append(f'"{name}": {draw.choice([odd_number(draw), chr(34) + "again" + chr(34)])}')
        if draw.random() < 0.02:
            properties.append(f'"\\u00{ord(name[0]):02x}{name[1:]}": {odd_number(draw)}')
    draw.shuffle(properties)
    return Happened(
        project=draw.choice(["shop", "shop-2"]),
        event=draw.choice([*USUAL, *SYSTEM, *SIGNS, *SIGNS, "message_sent", "event_reviewed"]),
        distinct_id=f"u{draw.randrange(12)}",
        at=NOW - draw.randrange(50 * MINUTE_MS),
        properties="{" + ",".join(properties) + "}",
    )


@pytest.mark.parametrize("seed", seeds(4))
async def test_stream_and_repair_count_the_same_events_alike(embedded_tables: Store, seed: int) -> None:
    draw = random.Random(seed)
    stream = Stream()
    for batch in range(4):
        stream.send((raw(odd_event(draw)) for _ in range(500)), NOW + batch * 1000)
    assert len(stream.enriched) > 1900
    assert {event.late for event in stream.enriched} == {None}
    await store_events(embedded_tables, stream.enriched)
    await recompute(embedded_tables, all_windows(stream.enriched))
    assert await windows_found(embedded_tables) == stream.windows
    seen = {(series.metric, series.dimension) for series in stream.windows}
    usual = {(measure.metric, of) for measure in MEASURES for of in ("", "event", "country")}
    own = (
        "review_sentiment",
        "satisfaction",
        "event_rating",
        "refund_rate",
        "error_rate",
        "avg_response_time",
    )
    assert seen == usual | {("revenue", "currency")} | {(each, of) for each in own for of in ("", "country")}


@pytest.mark.parametrize("seed", seeds(2))
async def test_what_the_stream_cannot_count_is_repaired_and_nothing_else(
    embedded_tables: Store, seed: int
) -> None:
    ages = [0, 30 * MINUTE_MS, 3 * HOUR_MS, 8 * HOUR_MS, 20 * HOUR_MS, 3 * DAY_MS, 5 * DAY_MS]
    events = [
        event._replace(sentiment=None)
        for event in some_events(seed, [NOW - age for age in ages], ["shop", "shop-2"], 1200)
    ]
    stream = Stream()
    # The watermarks stand at now before the first event.
    stream.quiet(NOW)
    for at in range(0, len(events), 300):
        stream.send(map(raw, events[at : at + 300]), NOW + at)
    requested = late_windows(stream.enriched)
    truth = windows_of(events)
    # The watermark is a minute behind.
    gone = {
        (series.project, series.grain, series.start)
        for series in truth
        for grain, size in SIZES.items()
        if series.grain == grain and series.start + size + KEPT[grain] <= NOW - MINUTE_MS
    }
    assert requested == gone
    assert {grain for _, grain, _ in gone} == SIZES.keys()
    assert gone.isdisjoint((series.project, series.grain, series.start) for series in stream.windows)
    await store_events(embedded_tables, stream.enriched)
    await store_windows(embedded_tables, stream.windows)
    await recompute(embedded_tables, requested)
    assert await windows_found(embedded_tables) == truth
