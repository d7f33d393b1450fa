from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loopin_producers.errors import DeliveryFailed
from loopin_producers.replay.in_flight import InFlight

FAILURE = DeliveryFailed("lost", kafka_error="_MSG_TIMED_OUT")


@given(st.lists(st.sampled_from(["delivered", "bad", "failed", "open"]), max_size=30), st.randoms())
def test_position_is_the_prefix_that_is_dealt_with(fates: list[str], random: object) -> None:
    rows = InFlight()
    for number, fate in enumerate(fates, 1):
        if fate == "bad":
            rows.add_bad(number)
        else:
            rows.add(number)
    settled = [number for number, fate in enumerate(fates, 1) if fate in ("delivered", "failed")]
    random.shuffle(settled)  # type: ignore[attr-defined]
    for number in settled:
        rows.settle(number, FAILURE if fates[number - 1] == "failed" else None, 0, 0)
    done = next((at for at, fate in enumerate(fates) if fate in ("failed", "open")), len(fates))
    assert rows.position() == (done, fates[:done].count("bad"))
    assert rows.position() == (done, fates[:done].count("bad"))
    assert rows.delivered == fates.count("delivered")
    assert rows.waiting == fates.count("open")
    assert rows.unacknowledged == fates.count("open") + fates.count("failed")


def test_goes_on_after_an_earlier_run() -> None:
    rows = InFlight(acknowledged=10, bad=2)
    assert rows.position() == (10, 2)
    rows.add(11)
    rows.add_bad(12)
    assert rows.position() == (10, 2)
    rows.settle(11, None, 0, 0)
    assert rows.position() == (12, 3)
