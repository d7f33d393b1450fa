"""A rebuild of the merge alone: what is read and written, where the broker is real and the store is not."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

import pytest

from loopin_schemas.topics import RAW
from loopin_streams.kafka.topic_admin import TopicAdmin
from loopin_streams.rebuild.rebuild import Rebuild
from loopin_streams.rebuild.refused import RebuildRefused
from loopin_streams.rebuild.truth import Truth, WindowId
from tests.streams.installation import Installation
from tests.streams.rebuild.damage import write
from tests.streams.rebuild.numbers import markers, newest

MINUTE = 60_000
HOUR = 60 * MINUTE
NOON = 1_800_014_400_000


@dataclass
class Asked:
    """A store that only notes what repairs it is asked for."""

    windows: set[WindowId] = field(default_factory=set)

    async def ask_for_repairs(self, windows: Iterable[WindowId]) -> None:
        self.windows |= set(windows)


@dataclass
class Half:
    """An installation whose second partition is behind the first by two hours."""

    installation: Installation
    truth: Asked
    rebuild: Rebuild

    def mark(self, partition: int, watermark: int, **more: object) -> None:
        marker = {
            "topic_id": self.rebuild.topic_ids[RAW.name],
            "position": 7 + partition,
            "watermark": watermark,
            "counts": {"read": 3},
            "partitions": 2,
        }
        write(self.installation, "enrich.state", partition, b"m", json.dumps(marker | more).encode())

    def open(self, partition: int, grain: str, start: int) -> None:
        value = json.dumps([1, "demo", grain, start, []]).encode()
        write(self.installation, "enrich.state", partition, b"w:demo:%s:%d" % (grain.encode(), start), value)


@pytest.fixture
def half(installation: Installation) -> Half:
    topics = TopicAdmin(installation.settings).describe()
    truth = Asked()
    found = Half(
        installation,
        truth,
        Rebuild(
            installation.settings,
            cast("Truth", truth),
            2,
            {name: info.id for name, info in topics.items()},
        ),
    )
    found.mark(0, NOON)
    found.mark(1, NOON - 2 * HOUR)
    # Open in the second partition, gone from the first.
    found.open(1, "minute", NOON - 2 * HOUR)
    # Open in both.
    found.open(0, "hour", NOON - 2 * HOUR)
    found.open(1, "hour", NOON - 2 * HOUR)
    return found


async def test_partitions_get_one_watermark_and_what_leaves_is_repaired(half: Half) -> None:
    write(half.installation, "windows", 1, b"0", b'{"partition":0,"position":1}')
    await half.rebuild.run_merge(await half.rebuild.prepare_merge())
    assert half.truth.windows == {("demo", "minute", NOON - 2 * HOUR)}
    first, second = markers(half.installation)
    assert first is not None
    assert second is not None
    assert first["watermark"] == second["watermark"] == NOON
    assert (second["position"], second["counts"]["read"]) == (8, 3)
    kept = [sorted(part) for part in newest(half.installation, "enrich.state")]
    hour = b"w:demo:hour:%d" % (NOON - 2 * HOUR)
    assert kept == [[b"m", hour], [b"m", hour]]
    merged = markers(half.installation, "merge.state")
    assert [marker and marker["position"] for marker in merged] == [0, 1]


async def test_what_the_merge_has_not_published_is_repaired(half: Half) -> None:
    gone = NOON - 5 * HOUR
    partials = {
        "partition": 0,
        "position": 1,
        "windows": [
            {"project": "demo", "grain": "minute", "start": gone, "cells": []},
            {"project": "demo", "grain": "day", "start": NOON - NOON % (24 * HOUR), "cells": []},
        ],
    }
    write(half.installation, "windows", 0, b"0", json.dumps(partials).encode())
    write(half.installation, "merge.state", 1, b"w:demo:minute:%d" % (gone + MINUTE), b"not to be read")
    await half.rebuild.run_merge(await half.rebuild.prepare_merge())
    assert half.truth.windows == {
        ("demo", "minute", NOON - 2 * HOUR),
        ("demo", "minute", gone),
        ("demo", "minute", gone + MINUTE),
    }


@pytest.mark.parametrize(
    "spoilt",
    [None, b"\xff{", b'{"topic_id":"6ba7b810-9dad-11d1-80b4-00c04fd430c8","position":1}'],
    ids=["no marker", "an unreadable one", "that of another topic"],
)
async def test_it_begins_from_the_enrichment_and_needs_its_state_whole(
    half: Half, spoilt: bytes | None
) -> None:
    write(half.installation, "enrich.state", 1, b"m", spoilt)
    with pytest.raises(RebuildRefused, match="run `loopin state rebuild` for both") as refusal:
        await half.rebuild.prepare_merge()
    assert refusal.value.code == "enrich_unfit"


async def test_alerts_that_were_raised_stay_raised(half: Half) -> None:
    progress = {"watermarks": {"0": 5}, "revision": 77}
    write(half.installation, "merge.state", 0, b"p", json.dumps(progress).encode())
    remembered = {b"a:demo:invalid_ratio:not_json": b"an alert", b"h:demo:events_anomaly:": b"a season"}
    for key, value in remembered.items():
        write(half.installation, "merge.state", 0, key, value)
    await half.rebuild.run_merge(await half.rebuild.prepare_merge())
    kept = newest(half.installation, "merge.state")[0]
    assert json.loads(kept[b"p"].value() or b"") == {"revision": 77}
    assert {key: record.value() for key, record in kept.items() if key[:2] in (b"a:", b"h:")} == remembered
