"""Changed windows as records for the merge: each series to its partition, the watermark to all of them."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.window import Cell
from loopin_streams.kafka.job import Output
from loopin_streams.windows.grains import DAY, GRAINS, Grain
from loopin_streams.windows.open_windows import OpenWindow
from loopin_streams.windows.publishing import merge_partition, publish_windows
from tests.streams import plain_state

BROKERS_LIMIT = 900_000


def routed(
    changed: list[tuple[OpenWindow, list[Cell]]], *, partitions: int, watermark: int | None = 7
) -> dict[int, list[dict[str, Any]]]:
    """The records by partition of ``windows``."""
    output = Output()
    publish_windows(output, changed, partition=2, partitions=partitions, position=41, watermark=watermark)
    assert output.messages == {}
    assert {topic for topic, _ in output.routed} == {"windows"}
    for messages in output.routed.values():
        assert {key for key, _ in messages} == {b"2"}
        assert max(len(value or b"") for _, value in messages) < BROKERS_LIMIT
    return {
        target: [json.loads(value or b"") for _, value in messages]
        for (_, target), messages in output.routed.items()
    }


def window(cells: list[Cell], grain: Grain = DAY, project: str = "demo") -> tuple[OpenWindow, list[Cell]]:
    return OpenWindow(project, grain, 0), cells


def test_a_watermark_reaches_every_partition_even_without_a_change() -> None:
    assert routed([], partitions=3) == {
        at: [{"partition": 2, "position": 41, "watermark": 7}] for at in range(3)
    }
    assert routed([], partitions=1, watermark=None) == {0: [{"partition": 2, "position": 41}]}


cells = st.builds(
    Cell,
    st.sampled_from(["events", "revenue", "records_received", "records_rejected"]),
    st.sampled_from(["", "event", "reason"]),
    st.text(max_size=4),
    st.integers(0, 2**63),
    st.none() | st.integers(-(10**30), 10**30),
)
windows = st.lists(
    st.builds(
        window, st.lists(cells, max_size=8), st.sampled_from(GRAINS), st.sampled_from(["demo", "shop"])
    ),
    max_size=6,
)


@given(windows, st.integers(1, 5))
def test_every_cell_arrives_once_and_where_its_series_belongs(
    changed: list[tuple[OpenWindow, list[Cell]]], partitions: int
) -> None:
    sent = Counter(
        (merge_partition(of.project, cell, partitions), of.project, of.grain.name, *found)
        for of, found_cells in changed
        for cell in found_cells
        for found in [(cell.metric, cell.dimension, cell.value, cell.count, cell.sum)]
    )
    arrived = Counter(
        (target, one["project"], one["grain"], *numbers[:5])
        for target, records in routed(changed, partitions=partitions).items()
        for record in records
        for one in record.get("windows", [])
        for numbers in one["cells"]
    )
    assert arrived == sent


@given(st.text(max_size=3), st.integers(1, 64))
def test_what_was_received_and_what_was_refused_meet_in_one_partition(reason: str, partitions: int) -> None:
    about = [
        ("records_received", "", ""),
        ("records_rejected", "", ""),
        ("records_rejected", "reason", reason),
    ]
    assert len({merge_partition("demo", Cell(*series, 1), partitions) for series in about}) == 1


def test_series_are_spread_over_the_partitions() -> None:
    found = Counter(merge_partition("demo", Cell("events", "event", f"e{at}", 1), 8) for at in range(4000))
    assert set(found) == set(range(8))
    assert max(found.values()) < 2 * min(found.values())


def test_a_large_flush_is_split_and_its_last_record_has_the_watermark() -> None:
    changed = [
        window(
            [
                Cell("events", "event", f"{at}" + "\U0001f3ab" * 195, at, 10**30, -(10**30), 10**30)
                for at in range(900)
            ],
            grain,
        )
        for grain in GRAINS
    ]
    records = routed(changed, partitions=1)[0]
    assert len(records) > 2
    assert [record.get("watermark") for record in records] == [None] * (len(records) - 1) + [7]
    assert [record.get("more", False) for record in records] == [True] * (len(records) - 1) + [False]
    assert {record["position"] for record in records} == {41}
    found = [share for record in records for share in plain_state.shares_in(record["windows"])]
    assert len(found) == len({series for series, _ in found}) == 2700
