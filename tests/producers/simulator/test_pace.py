from __future__ import annotations

import math

import pytest

from loopin_producers.simulator import Pace, SimulationError


class Clock:
    """Two clocks that only a wait moves."""

    def __init__(self) -> None:
        self.s = 100.0

    def monotonic(self) -> float:
        return self.s

    def now_ms(self) -> int:
        return round(self.s * 1000)

    def run(self, pace: Pace, times: list[int]) -> list[float]:
        """When events of these times (ms) leave."""
        left = []
        for at_ms in times:
            self.s += max(0.0, pace.wait_s(at_ms))
            pace.left()
            left.append(self.s)
        return left


def paced(clock: Clock, **limits: float | bool) -> Pace:
    return Pace(now_ms=clock.now_ms, monotonic=clock.monotonic, **limits)  # type: ignore[arg-type]


def test_without_limits_nothing_waits() -> None:
    clock = Clock()
    assert clock.run(paced(clock), [0, 10**15]) == [100.0, 100.0]


def test_a_rate_lets_so_many_leave_a_second() -> None:
    clock = Clock()
    left = clock.run(paced(clock, rate=50), [0] * 501)
    assert left[-1] - left[0] == pytest.approx(10, abs=0.6)
    clock.s += 3600
    burst = clock.run(paced(clock, rate=50), [0] * 100)
    assert burst[-1] - burst[0] >= 1.4, "a pause is not caught up"


def test_speed_is_times_real_time_from_the_first_event_on() -> None:
    clock = Clock()
    assert clock.run(paced(clock, speed=10), [5_000, 15_000, 105_000]) == [100.0, 101.0, 110.0]


def test_live_events_leave_when_their_time_has_come() -> None:
    clock = Clock()
    assert clock.run(paced(clock, live=True), [3_000, 99_000, 160_000]) == [100.0, 100.0, 160.0]


def test_the_slower_limit_counts() -> None:
    clock = Clock()
    left = clock.run(paced(clock, live=True, rate=1), [101_000, 101_000, 101_000, 200_000])
    assert left[-1] == 200.0
    assert left[2] - left[0] >= 1.5


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"rate": 0.0}, "rate_invalid"),
        ({"rate": math.nan}, "rate_invalid"),
        ({"speed": -1.0}, "speed_invalid"),
    ],
)
def test_a_pace_that_cannot_be_is_refused(limits: dict[str, float], code: str) -> None:
    with pytest.raises(SimulationError) as raised:
        Pace(**limits)  # type: ignore[arg-type]
    assert raised.value.code == code
