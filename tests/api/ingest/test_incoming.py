from __future__ import annotations

import json
import math
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_api.errors import ApiError
from loopin_api.ingest import incoming
from loopin_api.ingest.incoming import (
    MAX_EVENTS,
    MAX_REPAIRS,
    as_text,
    elements,
    is_array,
    name_of,
    plain,
    sound,
)
from loopin_schemas import encode


@given(st.text(st.characters(categories=["L", "Cs", "P", "So"], include_characters="\\u\"'ud8"), max_size=30))
def test_half_characters_are_replaced_and_nothing_else_is(text: str) -> None:
    """Python's own reader takes them as they are, and its own codec says what half a character is."""
    repaired = msgspec.json.decode(sound(json.dumps([text]).encode()))
    assert repaired == [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")]


@given(
    st.recursive(
        st.floats() | st.text(st.sampled_from('NaNInfinity-"\\\\ '), max_size=12) | st.none(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
        max_leaves=10,
    )
)
def test_what_is_no_number_becomes_null_and_text_stays(value: object) -> None:
    """Python writes NaN and Infinity, and reads them as what it is told to."""
    written = json.dumps(value)
    expected = json.loads(written, parse_constant=lambda _: None)
    assert msgspec.json.decode(sound(written.encode())) == expected


@pytest.mark.parametrize("length", [63, 64, 65, 4095, 4096, 4097, 70_000])
@pytest.mark.parametrize("part", ["x", "\n", '"', "NaN"])
def test_long_texts_stay_whole_among_what_is_no_number(part: str, length: int) -> None:
    text = (part * length)[:length]
    body = json.dumps([math.nan, text, {text: -math.inf}, "NaN", math.inf])
    assert json.loads(sound(body.encode())) == [None, text, {text: None}, "NaN", None]


@pytest.mark.parametrize("escape", ["\\ud83d\\ude00", "\\n", "\\\\", "\\\\\\ud800", "\\ude00"])
@pytest.mark.parametrize("number", [63, 64, 65, 1_000])
def test_many_escapes_stay_whole_beside_half_a_character(escape: str, number: int) -> None:
    body = f'["\\ud800", "{escape * number}"]'
    text = json.loads(f'"{escape}"').encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert json.loads(sound(body.encode())) == ["\ufffd", text * number]


@pytest.mark.parametrize("wrong", [b"NaN", b"-Infinity", rb'"\ud800"', rb'"\udc00"'])
def test_a_body_of_nothing_but_faults_is_refused(wrong: bytes) -> None:
    def body(faults: int) -> bytes:
        return b"[%b]" % b",".join([wrong] * faults)

    assert len(msgspec.json.decode(sound(body(MAX_REPAIRS)))) == MAX_REPAIRS
    with pytest.raises(ApiError) as refused:
        sound(body(MAX_REPAIRS + 1))
    assert (refused.value.status, refused.value.code) == (400, "MALFORMED_JSON")
    assert "send null for NaN" in refused.value.message


@pytest.mark.parametrize("plain", [b"-1,", b"-", b"N", b"I"])
def test_what_only_begins_like_no_number_costs_no_search_of_its_own(
    plain: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    pattern, searched = incoming._UP_TO_NO_NUMBER, list[int]()

    class Noting:
        def match(self, body: bytes, at: int) -> re.Match[bytes] | None:
            searched.append(at)
            return pattern.match(body, at)

    monkeypatch.setattr(incoming, "_UP_TO_NO_NUMBER", Noting())
    body = b"[NaN," + plain * 6_400
    assert sound(body) == body.replace(b"NaN", b"null")
    assert len(searched) <= len(body) / 32


@pytest.mark.parametrize("body", [b'[NaN, "open', b"[NaN, I, -, N", b'[NaN, "a\\', b"NaN" * 3])
def test_what_is_no_json_stays_none(body: bytes) -> None:
    with pytest.raises(ValueError, match="Expecting|Unterminated|Extra data|Invalid"):
        json.loads(sound(body))


@pytest.mark.parametrize("text", ["\\ud800", "\\\\ud83d\\ude00", "plain", '\\"\\ud83d\\ude00'])
def test_a_sound_body_is_left_alone(text: str) -> None:
    body = json.dumps([text]).encode()
    assert sound(body) is body


def test_elements_are_found_up_to_the_limit() -> None:
    assert [bytes(item) for item in elements(b' [1, {"a": [2]} ,"x"] ')] == [b"1", b'{"a": [2]}', b'"x"']
    assert elements(b"[]") == []
    assert len(elements(encode([1] * MAX_EVENTS))) == MAX_EVENTS
    with pytest.raises(ApiError) as refused:
        elements(encode([1] * (MAX_EVENTS + 1)))
    assert refused.value.status == 413


@pytest.mark.parametrize("body", [b"", b"{}", b"[1,", b"[1,]", b"[NaN]", b"[" * 100_000])
def test_what_is_no_array_is_refused(body: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        elements(body)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"null", "The field events is missing; add it."),
        (b'{"a": 1}', "The field events is a JSON object; send an array."),
        (b"5", "The field events is a whole number; send an array."),
    ],
)
def test_a_field_that_is_no_array_is_named(body: bytes, sentence: str) -> None:
    with pytest.raises(ApiError) as refused:
        elements(body, "events")
    assert (refused.value.status, refused.value.message) == (400, sentence)


def test_an_array_is_known_by_its_beginning() -> None:
    assert is_array(b" \n[1]")
    assert not is_array(b'{"a": []}')
    assert not is_array(b"")


@pytest.mark.parametrize(
    ("given_", "text"),
    [
        ("a", "a"),
        (17, "17"),
        (17.0, "17"),
        (1.5, None),
        (True, None),
        (None, None),
        ([], None),
        (10**400, None),
    ],
)
def test_ids_are_text_or_whole_numbers(given_: object, text: str | None) -> None:
    assert as_text(given_) == text


def test_what_is_beside_the_point_is_nothing() -> None:
    assert plain(msgspec.Raw(b'"' + b"x" * 2000 + b'"')) is None
    assert plain(msgspec.Raw(b"[1]")) is None
    assert plain(msgspec.Raw(b"1e999")) is None
    assert plain(msgspec.Raw(b"1.5")) == 1.5
    assert name_of(msgspec.Raw(b'{"uuid": "u", "messageId": "m"}')) == "u"
    assert name_of(msgspec.Raw(b'{"messageId": "m"}')) == "m"
    assert name_of(msgspec.Raw(b"7")) is None
