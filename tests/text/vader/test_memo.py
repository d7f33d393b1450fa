from __future__ import annotations

import tracemalloc

from loopin_text.vader.memo import ENTRIES, LONGEST_KEY, Memo


def test_a_value_is_computed_once() -> None:
    asked: list[str] = []

    def length(key: str) -> int:
        asked.append(key)
        return len(key)

    memo = Memo(length)
    assert [memo["four"], memo["four"], memo[""]] == [4, 4, 0]
    assert asked == ["four", ""]


def test_a_long_key_is_answered_and_forgotten() -> None:
    memo = Memo(len)
    longest, longer = "x" * LONGEST_KEY, "x" * (LONGEST_KEY + 1)
    assert (memo[longest], memo[longer]) == (LONGEST_KEY, LONGEST_KEY + 1)
    assert list(memo) == [longest]


def test_a_full_table_starts_again() -> None:
    memo = Memo(len)
    for number in range(ENTRIES):
        memo[f"{number}"]
    assert len(memo) == ENTRIES
    assert memo["one more"] == 8
    assert list(memo) == ["one more"]


def test_the_largest_keys_take_the_stated_memory_at_most() -> None:
    memo = Memo(float)
    tracemalloc.start()
    for number in range(2 * ENTRIES):
        memo[f"{number}".zfill(LONGEST_KEY - 1) + "\N{MATHEMATICAL BOLD DIGIT ONE}"]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 5_000_000 < peak < 12_000_000
