"""The examples on the state topic: all of them, in their order, and not written again and again."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.codec import encode
from loopin_streams.kafka.job import Message
from loopin_streams.train.kept import KEPT, PART, KeptExamples, kept_examples
from tests.streams.train.test_absorber import examples

MANY = examples(3 * PART + 40)


def put(held: dict[bytes, bytes], messages: Iterable[Message]) -> int:
    """Apply to what a compacted topic holds; the bytes written."""
    written = 0
    for key, value in messages:
        assert key is not None
        written += len(key) + len(value or b"")
        if value is None:
            held.pop(key)
        else:
            held[key] = value
    return written


@given(st.lists(st.integers(1, 2 * PART), min_size=1, max_size=12), st.integers(0, 12))
def test_in_whatever_batches_all_are_kept_in_order_and_written_twice_at_most(
    batches: list[int], restarted: int
) -> None:
    held: dict[bytes, bytes] = {}
    kept, known, written = KeptExamples("demo", "churn"), 0, 0
    for number, size in enumerate(batches):
        if number == restarted and known:
            kept = kept_examples(held)["demo", "churn"]
        written += put(held, kept.add(MANY[known : known + size]))
        known = min(known + size, len(MANY))
        assert list(kept_examples(held)["demo", "churn"]) == list(kept) == MANY[:known]
    input = sum(len(encode(one)) for one in MANY[:known])
    assert written <= 2 * input + 200 * (len(batches) + known // PART + 1)
    # Full ones, and what came since the last of them.
    assert len(held) <= known // PART + len(batches)


def test_with_one_example_a_batch_little_more_than_twice_as_much_is_written_as_read() -> None:
    held: dict[bytes, bytes] = {}
    kept = KeptExamples("demo", "churn")
    written = sum(put(held, kept.add([one])) for one in MANY)
    assert written <= 3 * sum(len(encode(one)) for one in MANY)
    assert len(held) == 3 + 40


def test_whoever_begins_anew_keeps_the_newest_and_knows_with_which() -> None:
    held: dict[bytes, bytes] = {}
    given = examples(KEPT + 2 * PART + 7)
    kept = KeptExamples("demo", "churn")
    put(held, kept.add(given[:-7]))
    for one in given[-7:]:
        put(held, kept.add([one]))
    written = put(held, kept.begin_anew(12, len(given)))
    # The older ones are removed, the newest record says so: nothing else is written.
    assert written < 1000
    again = kept_examples(held)["demo", "churn"]
    assert KEPT <= len(again) < KEPT + PART
    assert list(again) == given[-len(again) :]
    assert again.begun == kept.begun == (12, len(given) - len(again))
    assert again.again == kept.again == len(again)
    put(held, again.add(examples(PART)))
    third = kept_examples(held)["demo", "churn"]
    assert (third.begun, third.again) == (kept.begun, kept.again)


def test_parts_that_a_release_before_wrote_are_read_and_filled() -> None:
    held: dict[bytes, bytes] = {}
    for number, part in enumerate((MANY[:PART], MANY[PART : PART + 3])):
        record = {"number": number, "examples": part, "begun": (4, 20), "version": 1}
        held[f"e:demo:churn:{number}".encode()] = encode(record)
    kept = kept_examples(held)["demo", "churn"]
    assert (kept.begun, kept.again) == ((4, 20), 0)
    for one in MANY[PART + 3 :]:
        put(held, kept.add([one]))
    assert list(kept_examples(held)["demo", "churn"]) == MANY
