"""Up to which minute the store has what the stream has counted."""

from __future__ import annotations

from loopin_sinks.metric_anomalies.settled import Minute, complete_until


def test_up_to_where_it_is_complete() -> None:
    def until(*of: tuple[int, int]) -> int:
        """Of four minutes, counted and stored."""
        return complete_until({n * 60_000: Minute(*each) for n, each in enumerate(of)}, 240_000) // 60_000

    assert until() == 4
    # Nothing of the last minutes, neither here nor there: silence.
    assert until((3, 3), (2, 2), (0, 0)) == 4
    assert until((3, 3), (2, 1), (5, 5), (5, 4)) == 1
    # More than was counted came twice, or is counted later.
    assert until((3, 4), (2, 2), (1, 1), (1, 1)) == 4
    # The counts themselves are late.
    assert until((3, 3), (2, 2), (0, 1), (0, 0)) == 2
    assert until((0, 1), (0, 1)) == 0
