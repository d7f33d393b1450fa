from __future__ import annotations

from zlib import crc32

from loopin_streams.learning import sweep as sweeping
from loopin_streams.learning.sweep import MINUTES, Sweep

KEYS = [f"demo:user-{number}".encode() for number in range(20_000)]


def turns(sweep: Sweep, minute: int) -> list[bytes]:
    found: list[bytes] = []
    while given := sweep.due(minute):
        found += given
    return found


def test_each_user_has_one_turn_a_day() -> None:
    sweep = Sweep()
    sweep.add(KEYS)
    assert not sweep.due(5_000)
    taken: list[bytes] = []
    for minute in range(5_001, 5_001 + MINUTES):
        at_once = turns(sweep, minute)
        assert all(crc32(key) % MINUTES == minute % MINUTES for key in at_once)
        taken += at_once
    assert sorted(taken) == sorted(KEYS)


def test_days_that_pass_at_once_are_one_turn_each_and_little_by_little() -> None:
    sweep = Sweep()
    sweep.add(KEYS)
    sweep.due(5_000)
    first = sweep.due(5_000 + 9 * MINUTES)
    assert sweeping.MOST <= len(first) < len(KEYS)
    assert sorted(first + turns(sweep, 5_000 + 9 * MINUTES)) == sorted(KEYS)


def test_a_successor_goes_on_where_the_turns_were() -> None:
    one, other = Sweep(), Sweep()
    for sweep in (one, other):
        sweep.add(KEYS)
        sweep.due(5_000)
    before = one.due(6_000)
    other.swept = one.swept
    assert turns(one, 6_200) == turns(other, 6_200)
    assert not set(before) & set(turns(other, 6_300))


def test_who_waits_for_more_has_the_missed_turns_when_no_more_come() -> None:
    sweep = Sweep()
    sweep.add(KEYS)
    sweep.due(5_000)
    for minute in range(5_001, 5_100, 7):
        assert turns(sweep, minute)
        sweep.came_old(minute)
    last = minute
    missed: set[bytes] = set()
    for minute in range(last + 1, last + sweeping.QUIET_MINUTES):
        given = turns(sweep, minute)
        assert sweep.waits(5_001, minute)
        missed.update(given)
    assert missed
    successor = Sweep()
    successor.add(KEYS)
    successor.read(sweep.kept())
    at = last + sweeping.QUIET_MINUTES
    assert missed < set(turns(successor, at))
    assert not successor.waits(5_001, at)
    # From there it goes on as ever.
    assert all(crc32(key) % MINUTES == (at + 1) % MINUTES for key in turns(successor, at + 1))


def test_a_user_waits_for_a_week_and_no_longer() -> None:
    sweep = Sweep()
    sweep.add(KEYS)
    sweep.due(5_000)
    own = 5_001
    for minute in range(own, own + 9 * MINUTES):
        sweep.came_old(minute)
        sweep.due(minute)
        assert sweep.waits(own, minute) == (minute < own + 7 * MINUTES)


def test_nobody_waits_before_anything_old_came() -> None:
    sweep = Sweep()
    sweep.add(KEYS)
    sweep.due(5_000)
    assert not sweep.waits(4_999, 5_001)
    assert sweep.missed is None


def test_what_is_kept_is_read_again() -> None:
    sweep = Sweep()
    sweep.due(77)
    for told in (lambda: None, lambda: sweep.came_old(78), lambda: sweep.waits(78, 79)):
        told()
        again = Sweep()
        again.read(sweep.kept())
        assert (again.swept, again.old, again.missed) == (sweep.swept, sweep.old, sweep.missed)
    assert sweep.missed is not None


def test_what_earlier_releases_kept_is_read() -> None:
    for kept in (b"77", b"77 70"):
        sweep = Sweep()
        sweep.read(kept)
        assert (sweep.swept, sweep.missed) == (77, None)
