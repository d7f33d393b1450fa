from __future__ import annotations

import os
import threading
import time
from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from loopin_producers.uuid7 import Uuid7Generator, uuid7

MS = st.integers(min_value=0, max_value=2**48 - 2)


@given(MS)
def test_layout_is_that_of_the_rfc(now: int) -> None:
    made = Uuid7Generator(lambda: now)()
    digits = made.hex
    assert int(digits[:12], 16) == now
    assert digits[12] == "7"
    assert digits[16] in "89ab"
    assert made.variant == RFC_4122
    assert made.version == 7


def test_time_of_the_rfcs_own_example() -> None:
    # RFC 9562, appendix A.6: 017F22E2-79B0-7CC3-98C4-DC0C0C07398F was made at 2022-02-22T19:22:22Z.
    example = UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")
    made = Uuid7Generator(lambda: 1_645_557_742_000)()
    assert made.int >> 80 == example.int >> 80


@given(st.lists(MS, min_size=2, max_size=50))
def test_order_holds_whatever_the_clock_does(clock: list[int]) -> None:
    ticks = iter(clock)
    generate = Uuid7Generator(lambda: next(ticks))
    made = [generate() for _ in clock]
    assert made == sorted(set(made))


@given(MS, st.integers(min_value=0, max_value=2**42 - 2))
def test_text_is_that_of_the_same_uuid(now: int, counter: int) -> None:
    generate = Uuid7Generator(lambda: now)
    generate()
    generate._counter = counter
    text = generate.text()
    assert str(UUID(text)) == text
    generate._counter = counter
    # All but the random bits.
    assert UUID(text).int >> 32 == generate().int >> 32


def test_spent_counter_borrows_from_the_next_millisecond() -> None:
    generate = Uuid7Generator(lambda: 1000)
    first = generate()
    generate._counter = 2**42 - 1
    second = generate()
    assert first < second
    assert second.int >> 80 == 1001


def test_carries_the_present_time() -> None:
    before = time.time_ns() // 1_000_000
    made = [uuid7() for _ in range(100)]
    assert before <= made[0].int >> 80 <= made[-1].int >> 80 <= time.time_ns() // 1_000_000 + 1


def test_threads_never_share_one() -> None:
    made: list[UUID] = []
    threads = [threading.Thread(target=lambda: made.extend([uuid7() for _ in range(2000)])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8000


def test_forked_child_makes_its_own() -> None:
    uuid7()
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(send, b"".join(uuid7().bytes for _ in range(50)))
        os._exit(0)
    os.close(send)
    with os.fdopen(receive, "rb") as pipe:
        theirs = pipe.read()
    os.waitpid(child, 0)
    # The random bits alone: those that the parent has fetched ahead are not for the child.
    ours = {uuid7().bytes[12:] for _ in range(50)}
    assert len(theirs) == 50 * 16
    assert not ours & {theirs[at + 12 : at + 16] for at in range(0, len(theirs), 16)}
