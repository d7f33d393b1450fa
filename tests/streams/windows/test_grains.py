from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_streams.windows.grains import DAY, GRAINS, HOUR, MINUTE, Grain, code_gone

ms = st.integers(0, 4_000_000_000_000)


def test_from_short_to_long_with_the_numbers_of_codes() -> None:
    assert [(grain.name, grain.number) for grain in GRAINS] == [("minute", 0), ("hour", 1), ("day", 2)]
    assert [grain.size_ms for grain in GRAINS] == [60_000, 3_600_000, 86_400_000]
    assert [grain.keep_ms for grain in GRAINS] == [3_600_000, 6 * 3_600_000, 48 * 3_600_000]


@given(ms)
def test_windows_begin_at_whole_units_of_utc(at: int) -> None:
    moment = datetime.fromtimestamp(at // 1000, UTC)
    wholes = {
        MINUTE: moment.replace(second=0),
        HOUR: moment.replace(minute=0, second=0),
        DAY: moment.replace(hour=0, minute=0, second=0),
    }
    for grain, whole in wholes.items():
        assert grain.start(at) == int(whole.timestamp()) * 1000


@given(ms, ms)
def test_every_window_has_a_code_of_its_own(one: int, other: int) -> None:
    windows = [(grain, grain.start(at)) for grain in GRAINS for at in (one, other)]
    codes = {window: window[0].code(window[1]) for window in windows}
    assert len(set(codes.values())) == len(codes)


@pytest.mark.parametrize("grain", GRAINS)
def test_a_window_is_gone_when_the_watermark_has_passed_its_end_by_what_is_kept(grain: Grain) -> None:
    start = 1_800_000_000_000 - 1_800_000_000_000 % grain.size_ms
    end = start + grain.size_ms + grain.keep_ms
    for watermark, gone in ((0, False), (end - 1, False), (end, True), (end + 1, True)):
        assert grain.gone(start, watermark) == gone == code_gone(grain.code(start), watermark)


@given(ms, ms)
def test_who_is_in_time_for_a_window_is_in_time_for_every_longer_one(at: int, watermark: int) -> None:
    gone = [grain.gone(grain.start(at), watermark) for grain in GRAINS]
    assert gone == sorted(gone, reverse=True)
