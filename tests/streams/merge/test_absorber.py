"""The merge: whatever the order in which partitions speak, what it publishes is the sum of their shares."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopin_schemas.window import Cell, Window
from loopin_streams.enrich.steps.partition import partition_of
from loopin_streams.kafka.errors import RefusedToOpen
from tests.streams import plain_state
from tests.streams.enrich.drafts import RECEIVED_MS
from tests.streams.enrich.ledger import Ledger, raw
from tests.streams.merge.merging import Merge, T, partials
from tests.streams.plain_state import DAY, HOUR, MINUTE, Happened, Series, Shares

SIZES = {"minute": MINUTE, "hour": HOUR, "day": DAY}


def events(count: int, start: int = T, grain: Any = "hour", project: str = "demo") -> Window:
    return Window(project=project, grain=grain, start=start, cells=[Cell("events", "", "", count)])


numbers = st.integers(0, 2**62)
measured = st.none() | st.integers(-(10**20), 10**20)
cells = st.builds(
    lambda metric, dimension, value, count, total: Cell(metric, dimension, value, count, total, total, total),
    st.sampled_from(["events", "revenue"]),
    st.sampled_from(["", "country"]),
    st.sampled_from(["", "IN"]),
    numbers,
    measured,
)
windows = st.builds(
    Window,
    project=st.sampled_from(["demo", "shop"]),
    grain=st.sampled_from(["minute", "hour", "day"]),
    start=st.sampled_from([T, T + DAY]),
    cells=st.lists(cells, max_size=4),
)
spoken = st.lists(
    st.tuples(
        st.integers(0, 2), st.lists(windows, max_size=3), st.sampled_from(["wait", "second", "restart"])
    ),
    max_size=15,
)


@settings(deadline=None)
@given(spoken, st.integers(T, T + 2 * DAY))
def test_the_newest_shares_of_all_partitions_are_added_up(
    said: list[tuple[int, list[Window], str]], watermark: int
) -> None:
    merge = Merge(3)
    newest: list[Shares] = [{}, {}, {}]
    for partition, parts, then in said:
        body = partials(partition, None, *parts)
        merge.absorb(body)
        newest[partition].update(plain_state.shares_in(json.loads(body).get("windows", [])))
        if then == "restart":
            merge.restart()
        elif then == "second":
            merge.second()
    for partition in range(3):
        merge.absorb(partials(partition, watermark + partition))
    merge.second()
    assert merge.sums() == plain_state.added_up(newest)
    for series, one in merge.newest().items():
        assert one.get("closed", False) == (series.start + SIZES[series.grain] <= watermark)


users = [f"u{number}" for number in range(12)]
steps = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.lists(
            st.tuples(
                st.integers(0, 11),
                st.sampled_from(["click", "ticket_purchased"]),
                st.integers(-MINUTE, 40 * MINUTE),
                st.sampled_from([{}, {"amount": 5, "country": "IN"}, {"amount": -2.5, "currency": "EUR"}]),
            ),
            max_size=5,
        ),
        st.booleans(),
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=50)
@given(steps, st.randoms(use_true_random=False))
def test_from_events_in_three_partitions_to_their_sums(
    said: list[tuple[int, list[tuple[int, str, int, dict[str, Any]]], bool]], random: Any
) -> None:
    ledgers = [Ledger(partition=partition, partitions=3) for partition in range(3)]
    absorbers = [ledger.open() for ledger in ledgers]
    logs: list[list[Happened]] = [[], [], []]
    for partition, drawn, publish in said:
        mine = [user for user in users if partition_of(f"demo:{user}".encode(), 3) == partition]
        happened = [
            Happened("demo", mine[user % len(mine)], name, RECEIVED_MS - age, RECEIVED_MS, given)
            for user, name, age, given in drawn
        ]
        records = [raw(len(logs[partition]) + at, event) for at, event in enumerate(happened)]
        logs[partition] += happened
        ledgers[partition].absorb(absorbers[partition], records)
        if publish:
            ledgers[partition].publish(absorbers[partition])
    for ledger, absorber in zip(ledgers, absorbers, strict=True):
        ledger.clock.now += 1
        ledger.idle(absorber, RECEIVED_MS + MINUTE)
    expected = plain_state.added_up(
        plain_state.shares(log)
        | plain_state.operations(plain_state.Arrived(event.project, event.received) for event in log)
        for log in logs
    )
    found: Shares = {}
    for target in range(3):
        merge = Merge(3)
        queues = [[value for _, value in ledger.routed.get(("windows", target), [])] for ledger in ledgers]
        while any(queues):
            queue = random.choice([queue for queue in queues if queue])
            merge.absorb(queue.pop(0))
            if random.random() < 0.2:
                merge.restart()
        merge.second()
        assert not found.keys() & merge.sums().keys(), "each series has one merge partition"
        found.update(merge.sums())
    assert found == expected


def test_nothing_is_published_before_every_partition_has_spoken() -> None:
    merge = Merge(2)
    merge.absorb(partials(0, T + DAY, events(5)))
    assert merge.second() is None
    assert merge.metrics == []
    merge.absorb(partials(1, T + DAY, events(3)))
    merge.second()
    assert [(one["count"], one["closed"]) for one in merge.metrics] == [(8, True)]


def test_open_windows_are_published_at_most_once_a_second() -> None:
    merge = Merge(1)
    for count in range(1, 5):
        merge.absorb(partials(0, T, events(count)))
        merge.clock.now += 0.24
    assert merge.metrics == []
    assert merge.absorber.idle(0, None) is None, "not before its second"
    merge.second()
    assert [one["count"] for one in merge.metrics] == [4]
    assert merge.second() is None
    merge.absorb(partials(0, T, events(4)))
    assert merge.second() is None, "what a partition repeats is no news"


def test_a_window_closes_with_the_least_watermark_though_nothing_more_arrives() -> None:
    merge = Merge(2)
    merge.absorb(partials(0, T + HOUR, events(5)), partials(1, T + HOUR - 1))
    merge.second()
    merge.absorb(partials(1, T + HOUR))
    assert [one.get("closed", False) for one in merge.metrics] == [False], "not before its second"
    merge.second()
    assert [one.get("closed", False) for one in merge.metrics] == [False, True]
    assert merge.second() is None


def test_a_late_event_corrects_a_closed_window_in_place() -> None:
    merge = Merge(1)
    merge.absorb(partials(0, T + HOUR, events(5)))
    merge.second()
    merge.absorb(partials(0, T + HOUR, events(6)))
    merge.second()
    assert [(one["count"], one["closed"]) for one in merge.metrics] == [(5, True), (6, True)]
    first, second = (one["revision"] for one in merge.metrics)
    assert first < second


def test_a_revision_is_the_wall_clocks_but_never_goes_back() -> None:
    merge = Merge(1)
    merge.absorb(partials(0, T, events(1)))
    merge.second()
    merge.wall.now -= 3600
    merge.absorb(partials(0, T, events(2)))
    merge.second()
    merge.restart()
    merge.wall.now -= 3600
    merge.absorb(partials(0, T, events(3)))
    merge.second()
    revisions = [one["revision"] for one in merge.metrics]
    assert revisions == [T + 1000, T + 1001, T + 1002]
    assert merge.newest()[Series("demo", "hour", T, "events")]["count"] == 3


def test_windows_that_no_partition_holds_any_more_leave_memory_and_state() -> None:
    merge = Merge(1)
    grains: Sequence[Any] = ("minute", "hour", "day")
    merge.absorb(partials(0, T, *(events(5, grain=grain) for grain in grains)))
    merge.second()
    for watermark, left in ((T + MINUTE + HOUR, 2), (T + 7 * HOUR, 1), (T + 3 * DAY, 0)):
        merge.absorb(partials(0, watermark - 1))
        merge.second()
        assert len(merge.absorber.windows) == left + 1
        merge.absorb(partials(0, watermark))
        merge.second()
        assert len(merge.absorber.windows) == left == len([key for key in merge.state if key[:2] == b"w:"])
    assert all(one["count"] == 5 for one in merge.newest().values())


def test_a_partition_that_is_no_more_does_not_hold_the_others_back() -> None:
    merge = Merge(3)
    merge.absorb(*(partials(at, T + at, events(1)) for at in range(3)))
    merge.partitions = 2
    merge.restart()
    assert merge.absorber.watermark == T


def test_a_restart_publishes_all_it_holds_once_more_and_loses_nothing() -> None:
    merge = Merge(2)
    merge.absorb(partials(0, T + HOUR, events(5)), partials(1, T + HOUR, events(2)))
    merge.restart()
    merge.second()
    assert [(one["count"], one["closed"]) for one in merge.metrics] == [(7, True)]


def test_what_cannot_be_read_is_counted_and_left_out() -> None:
    merge = Merge(1)
    output = merge.absorb(None, b"", b"{}", b"\xff", b"[" * 100_000, partials(0, T, events(1)))
    assert (output.counts.read, output.counts.passed, output.counts.dropped) == (6, 1, {"unreadable": 5})
    merge.second()
    assert [one["count"] for one in merge.metrics] == [1]


@pytest.mark.parametrize("changed", [{}, {"windows": {"by": "week"}}, {"partition": "0-3"}])
def test_a_newer_versions_shares_are_refused(changed: dict[str, object]) -> None:
    body = json.dumps(json.loads(partials(0, T)) | {"version": 2} | changed).encode()
    with pytest.raises(RefusedToOpen, match="newer version") as refusal:
        Merge(1).absorb(body)
    assert refusal.value.code == "state_version"


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        (b"p", b"", "state_unreadable"),
        (b"p", b"[]", "state_unreadable"),
        (b"p", b'{"version":2}', "state_version"),
        (b"w:demo:day:0", b"{}", "state_unreadable"),
        (b"w:demo:day:0", b'[1,"demo","week",0,false,[]]', "state_unreadable"),
        (b"w:demo:day:0", b'[2,"demo","day",0,false,[]]', "state_version"),
        (b"w:demo:day:0", b'[2,"demo","week",[],{}]', "state_version"),
        (b"p", b'{"version":2,"watermarks":[]}', "state_version"),
    ],
)
def test_a_state_that_cannot_be_read_is_refused(key: bytes, value: bytes, code: str) -> None:
    merge = Merge(1)
    merge.state[key] = value
    with pytest.raises(RefusedToOpen, match=r"merge.state.*loopin state rebuild merge") as refusal:
        merge.restart()
    assert refusal.value.code == code
