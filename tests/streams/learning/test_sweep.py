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


def test_while_old_events_come_nobody_has_a_turn_and_then_all_have_one() -> None:
    sweep = Sweep()
    sweep.add(KEYS)
    sweep.due(5_000)
    for minute in range(5_001, 5_001 + 3 * MINUTES, 7):
        sweep.came(100, 51, minute)
        assert not turns(sweep, minute)
    last = minute
    assert not turns(sweep, last + sweeping.QUIET_MINUTES - 1)
    successor = Sweep()
    successor.add(KEYS)
    successor.read(sweep.kept())
    at = last + sweeping.QUIET_MINUTES
    assert sorted(turns(successor, at)) == sorted(KEYS)
    # From there it goes on as ever.
    assert all(crc32(key) % MINUTES == (at + 1) % MINUTES for key in turns(successor, at + 1))


def test_a_belated_event_now_and_then_is_no_import() -> None:
    sweep = Sweep()
    sweep.add(KEYS)
    sweep.due(5_000)
    taken: list[bytes] = []
    for minute in range(5_001, 5_001 + MINUTES):
        # Most events come alone: each is all that its batch brings.
        sweep.came(1, minute % 3 == 0, minute)
        taken += turns(sweep, minute)
    assert sorted(taken) == sorted(KEYS)


def test_after_an_import_such_an_event_does_not_prolong_it_for_long() -> None:
    sweep = Sweep()
    sweep.came(1_000_000, 1_000_000, 5_000)
    for minute in range(5_001, 7_000):
        sweep.came(1, minute % 10 == 0, minute)
    assert sweep.imported is not None
    assert sweep.imported < 5_000 + 2 * sweeping.LATEST


def test_what_is_kept_is_read_again() -> None:
    sweep = Sweep()
    sweep.due(77)
    for minute in (None, 78):
        if minute is not None:
            sweep.came(100, 100, minute)
        again = Sweep()
        again.read(sweep.kept())
        assert (again.swept, again.imported) == (sweep.swept, sweep.imported) == (77, minute)
