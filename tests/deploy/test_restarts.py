from __future__ import annotations

from loopin_deploy.restarts import Deaths, RestartPolicy


def test_each_restart_waits_twice_as_long_until_the_fifth_death_within_a_minute() -> None:
    deaths = Deaths(RestartPolicy())

    assert [deaths.add(now) for now in (0.0, 1.0, 3.0, 6.0, 59.9)] == [0.5, 1.0, 2.0, 4.0, None]


def test_deaths_older_than_a_minute_are_forgotten() -> None:
    deaths = Deaths(RestartPolicy())

    assert [deaths.add(now) for now in (0.0, 1.0, 3.0, 6.0, 60.0)] == [0.5, 1.0, 2.0, 4.0, 4.0]
    assert deaths.add(1000.0) == 0.5


def test_the_wait_is_bounded() -> None:
    deaths = Deaths(RestartPolicy(deaths=99, max_delay_s=3.0))

    assert [deaths.add(0.0) for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
