"""Dead letters keep the bytes that failed, whatever they are."""

from __future__ import annotations

import hashlib
import pickle

from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas import DeadLetter, InvalidEvent, decode, encode
from loopin_schemas.dead_letter import MAX_BODY_BYTES, fingerprint


def letter(body: bytes, size: int | None = None) -> DeadLetter:
    """A dead letter of a body, of which ``size`` bytes arrived."""
    return DeadLetter(
        reason="not_json", step="decode", message="This is not JSON.", topic="events.raw", topic_id="t",
        partition=0, offset=1, first_seen=1, last_seen=2, size=len(body) if size is None else size,
        sha256=fingerprint(body), body=body,
    )  # fmt: skip


@given(st.binary(max_size=300))
def test_any_bytes_come_back(body: bytes) -> None:
    back = decode(encode(letter(body)), DeadLetter)
    assert back.body == body
    assert back == letter(body)
    assert back.sha256 == hashlib.sha256(body).hexdigest()


def test_truncation_shows_in_the_size() -> None:
    whole = b"a" * MAX_BODY_BYTES
    assert MAX_BODY_BYTES == 256 * 1024
    assert not letter(whole).truncated
    assert letter(whole, size=MAX_BODY_BYTES + 1).truncated


def test_the_place_names_topic_partition_and_offset() -> None:
    assert letter(b"").place == "t:0:1"


def test_the_reason_travels_between_processes() -> None:
    error = pickle.loads(pickle.dumps(InvalidEvent("not_json", "properties.a", "This is not JSON.")))
    assert (error.code, error.field, error.reason) == ("not_json", "properties.a", "This is not JSON.")
