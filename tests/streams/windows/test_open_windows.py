"""The windows in memory: what was restored is what was written, and what is published is absolute."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.window import Cell
from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.windows.grains import DAY_MS, GRAINS, HOUR_MS, MINUTE, MINUTE_MS
from loopin_streams.windows.open_windows import OpenWindows
from loopin_streams.windows.series import Series

T = 20_000 * DAY_MS
EVENTS: Series = ("events", "", "")


def add(
    windows: OpenWindows, series: Series, at: int = T, *, count: int = 1, value: int | None = None
) -> None:
    """Count in every window of the moment that is open."""
    for targets in windows.targets("demo", at, windows.in_time(at), [series]):
        for target in targets:
            target.cell.add(count, value, value or 0, value or 0)


def published(windows: OpenWindows) -> dict[tuple[str, int], list[Cell]]:
    return {(window.grain.name, window.start - T): cells for window, cells in windows.publish()}


def test_an_event_is_in_one_window_of_each_grain() -> None:
    windows = OpenWindows()
    add(windows, EVENTS, T + 25 * HOUR_MS + 61_001)
    assert published(windows) == {
        ("minute", 25 * HOUR_MS + MINUTE_MS): [Cell(*EVENTS, 1)],
        ("hour", 25 * HOUR_MS): [Cell(*EVENTS, 1)],
        ("day", 24 * HOUR_MS): [Cell(*EVENTS, 1)],
    }
    assert (len(windows), windows.cells) == (3, 3)


def test_what_is_published_is_absolute_and_only_what_changed() -> None:
    windows = OpenWindows()
    add(windows, EVENTS)
    add(windows, ("events", "event", "click"))
    assert windows.unpublished
    assert len(published(windows)["day", 0]) == 2
    assert not windows.unpublished
    assert published(windows) == {}
    add(windows, EVENTS, count=4)
    add(windows, EVENTS, T + HOUR_MS)
    assert published(windows)["day", 0] == [Cell(*EVENTS, 6)]


def test_sum_least_and_greatest_of_what_was_measured() -> None:
    windows = OpenWindows()
    for value in (-5, 3, 10**30):
        add(windows, ("revenue", "", ""), value=value)
    [cell] = published(windows)["hour", 0]
    assert (cell.count, cell.sum, cell.min, cell.max) == (3, 10**30 - 2, -5, 10**30)


def test_the_watermark_never_goes_back() -> None:
    windows = OpenWindows()
    for watermark in (5, 3, 9, -1):
        windows.advance(watermark)
    assert windows.watermark == 9


def test_which_windows_are_still_open() -> None:
    windows = OpenWindows()
    assert windows.in_time(0) == GRAINS
    windows.advance(T + MINUTE_MS + HOUR_MS - 1)
    assert windows.in_time(T) == GRAINS
    windows.advance(T + MINUTE_MS + HOUR_MS)
    assert windows.in_time(T) == GRAINS[1:]
    windows.advance(T + 3 * DAY_MS)
    assert windows.in_time(T) == ()


def test_a_gone_window_is_removed_from_the_state() -> None:
    windows = OpenWindows()
    add(windows, EVENTS)
    assert windows.drop_gone() == []
    windows.advance(T + 8 * HOUR_MS)
    keys = [b"w:demo:minute:%d" % T, b"w:demo:hour:%d" % T]
    assert windows.drop_gone() == [(key, None) for key in keys]
    assert [key for key, _ in windows.changes()] == [b"w:demo:day:%d" % T]
    assert windows.drop_gone() == []


def test_who_asks_for_no_window_leaves_nothing() -> None:
    windows = OpenWindows()
    assert windows.targets("demo", T, (), [EVENTS, ("events", "event", "click")]) == [[], []]
    assert (len(windows), windows.changes()) == (0, [])


values = st.none() | st.integers(-(10**24), 10**24)
additions = st.lists(
    st.tuples(
        st.sampled_from(["demo", "shop"]),
        st.tuples(
            st.sampled_from(["events", "revenue"]), st.sampled_from(["", "country"]), st.text(max_size=2)
        ),
        st.integers(T - HOUR_MS, T + 2 * DAY_MS),
        st.integers(0, 2**60),
        values,
    ),
    max_size=30,
)


@given(additions, st.integers(T - DAY_MS, T + 3 * DAY_MS), st.sets(st.integers(0, 30)))
def test_a_restored_state_is_the_state_that_was_written(
    added: list[tuple[str, Series, int, int, int | None]], watermark: int, written_at: set[int]
) -> None:
    windows = OpenWindows()
    state: dict[bytes, bytes | None] = {}
    for at, (project, series, moment, count, value) in enumerate(added):
        for targets in windows.targets(project, moment, GRAINS, [series]):
            for target in targets:
                target.cell.add(count, value, value or 0, value or 0)
        if at in written_at:
            state.update((key or b"", body) for key, body in windows.changes())
    windows.advance(watermark)
    for key, body in (*windows.drop_gone(), *windows.changes()):
        state[key or b""] = body
    kept = {key: body for key, body in state.items() if body is not None}
    restored = OpenWindows()
    restored.restore(kept | {b"p": b"not a window"})
    restored.advance(watermark)
    assert restored.changes() == []
    list(windows.publish())
    # All of it counts as unpublished, and has the same numbers and the same names in profiles.
    everything = {(w.project, w.code): cells for w, cells in restored.publish()}
    assert len(everything) == len(restored) == len(windows) == len(kept)
    for project, series, moment, _, _ in added:
        grains = windows.in_time(moment)
        before = windows.targets(project, moment, grains, [series])
        after = restored.targets(project, moment, grains, [series])
        assert [t.cell for found in before for t in found] == [t.cell for found in after for t in found]
    assert sorted(windows.changes(), key=repr) == sorted(restored.changes(), key=repr)


@pytest.mark.parametrize(
    "value", [b"", b"{}", b"[]", b"[1]", b"\xff", b'[1,"demo","week",0,[]]', b"[" * 100_000]
)
def test_a_window_that_cannot_be_read_is_refused(value: bytes) -> None:
    with pytest.raises(RefusedToOpen, match=r"w:demo:day:0.*loopin state rebuild") as refusal:
        OpenWindows().restore({b"w:demo:day:0": value})
    assert refusal.value.code == "state_unreadable"


def test_a_newer_versions_window_is_refused() -> None:
    with pytest.raises(RefusedToOpen, match="newer version") as refusal:
        OpenWindows().restore({b"w:demo:day:0": json.dumps([2, "demo", "day", 0, []]).encode()})
    assert refusal.value.code == "state_version"


def test_a_windows_key_names_it() -> None:
    windows = OpenWindows()
    windows.targets("my.shop", T, [MINUTE], [EVENTS])
    assert [key for key, _ in windows.changes()] == [b"w:my.shop:minute:%d" % T]
