"""The codec: what is encoded comes back the same, and absent fields take no room."""

from __future__ import annotations

import msgspec
import pytest

from loopin_schemas import EnrichedEvent, Event, decode, encode
from loopin_schemas.codec import decode_object, decoder, version_of


def test_an_event_comes_back() -> None:
    event = Event(
        project="demo", event="click", distinct_id="u\u00e91", properties=msgspec.Raw(b'{"b":1,"a":[2]}')
    )
    body = encode(event)
    assert (
        body
        == '{"project":"demo","event":"click","distinct_id":"u\u00e91","properties":{"b":1,"a":[2]}}'.encode()
    )
    assert encode(decode(body, Event)) == body


def test_an_enriched_event_names_its_raw_record() -> None:
    enriched = EnrichedEvent(
        uuid="0190b7a2-8c1e-7d3f-9a4b-5c6d7e8f9a0b", project="demo", event="click", distinct_id="u1",
        timestamp=1, received_at=2, raw_partition=3, raw_offset=4,
    )  # fmt: skip
    plain = decode_object(encode(enriched))
    assert (plain["_raw_partition"], plain["_raw_offset"]) == (3, 4)
    back = decode(encode(enriched), EnrichedEvent)
    assert (back.raw_partition, back.raw_offset, back.timestamp) == (3, 4, 1)


def test_one_decoder_a_type() -> None:
    assert decoder(Event) is decoder(Event)
    assert decoder(dict[str, int]) is decoder(dict[str, int])


def test_a_value_that_is_no_object() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_object(b"[]")


@pytest.mark.parametrize(
    ("body", "version"),
    [
        (b'{"a": "b"}', 1),
        (b'{"a": "version"}', 1),
        (b'{"version": 3, "a": [1]}', 3),
        (b'{"\\u0076ersion": 4}', 4),
        (b'{"version": "5"}', 1),
        (b"[6, 0]", 6),
        (b" [7]", 7),
        (b' {"version": 8}', 8),
        (b"{", 1),
        (b"", 1),
    ],
)
def test_a_record_says_by_which_version_it_was_written(body: bytes, version: int) -> None:
    assert version_of(body) == version
