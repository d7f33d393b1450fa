"""The limits of an event, tested on both sides of each boundary."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loopin_schemas import Event, InvalidEvent, encode
from loopin_schemas.validation import (
    FORBIDDEN_DISTINCT_IDS,
    MAX_DISTANCE_MS,
    MAX_EVENT_BYTES,
    MAX_PROPERTIES_BYTES,
    check_distinct_id,
    check_event_name,
    check_event_time,
    check_project,
    check_properties,
    check_size,
    check_uuid,
    decode_event,
    decoding_error,
    validate,
)

UUID = "0190b7a2-8c1e-7d3f-9a4b-5c6d7e8f9a0b"
DAY_MS = 86_400_000
NOW = 1_767_000_000_000


def refusal(check: Callable[..., object], *arguments: object) -> InvalidEvent:
    """The error that a check raises, with what every such error owes a person."""
    with pytest.raises(InvalidEvent) as caught:
        check(*arguments)
    error = caught.value
    assert re.fullmatch(r"[a-z0-9_]+", error.code)
    assert error.reason == str(error)
    assert error.reason[0].isupper()
    assert error.reason.endswith(".")
    return error


def body(**fields: object) -> bytes:
    """One event's bytes; a field set to ``...`` is left out."""
    whole = {"project": "demo", "event": "click", "distinct_id": "u1"} | fields
    return json.dumps({name: value for name, value in whole.items() if value is not ...}).encode()


def nested(levels: int) -> bytes:
    """Properties of so many levels, the object itself included."""
    return b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


class TestText:
    @pytest.mark.parametrize(
        "value", ["a", "a" * 200, "\u00e9" * 200, "\U0001f600" * 200, "$pageview", "Order Completed"]
    )
    def test_takes_1_to_200_characters(self, value: str) -> None:
        check_event_name(value)
        check_distinct_id(value)

    @pytest.mark.parametrize("value", ["a" * 201, "\U0001f600" * 201])
    def test_refuses_201_characters(self, value: str) -> None:
        name = refusal(check_event_name, value)
        assert (name.code, name.field) == ("event_name_too_long", "event")
        user = refusal(check_distinct_id, value)
        assert (user.code, user.field) == ("distinct_id_too_long", "distinct_id")

    @pytest.mark.parametrize("value", ["", " ", "\t", "\n", "\u00a0 \u2003"])
    def test_refuses_blanks(self, value: str) -> None:
        assert refusal(check_event_name, value).code == "event_name_empty"
        assert refusal(check_distinct_id, value).code == "distinct_id_empty"

    @pytest.mark.parametrize("character", ["\x01", "\n", "\t", "\x1b", "\x7f", "\x85", "\x9f", "\udfff"])
    def test_refuses_control_characters_and_lone_surrogates(self, character: str) -> None:
        assert refusal(check_event_name, f"a{character}b").code == "event_name_control_character"
        assert refusal(check_distinct_id, f"a{character}b").code == "distinct_id_control_character"

    def test_refuses_nul(self) -> None:
        assert refusal(check_event_name, "a\0").code == "null_byte"
        assert refusal(check_distinct_id, "\0a").code == "null_byte"

    @pytest.mark.parametrize("value", ["caf\u00e9\u00a0bar", "a\u200db", "\u05d0\u200f", "a\u3000b"])
    def test_takes_unprintable_characters_that_are_no_controls(self, value: str) -> None:
        check_event_name(value)

    @pytest.mark.parametrize("value", [None, 1, True, 1.5, b"a", ["a"]])
    def test_refuses_other_types(self, value: object) -> None:
        for check in (check_event_name, check_distinct_id, check_project, check_uuid):
            assert refusal(check, value).code == "wrong_type"


class TestForbiddenIds:
    # As PostHog refuses them, in any case; and what this product adds.
    POSTHOG = [
        *("anonymous", "guest", "distinctid", "distinct_id", "id", "not_authenticated", "email"),
        *("undefined", "true", "false", "NaN", "None", "none", "null", "0", "[object Object]"),
    ]
    OURS = ["nil", "empty", "anonymous_id", "user"]

    @pytest.mark.parametrize("value", [*POSTHOG, *OURS])
    @pytest.mark.parametrize(
        "spelling",
        ["{}", '"{}"', "'{}'", " {} ", "\u00a0{}", "' \"{}\" '", "`{}`", "\ufeff{}", " " * 150 + "{}"],
    )
    def test_refused_in_any_case_quoted_or_padded(self, value: str, spelling: str) -> None:
        for text in (value, value.lower(), value.upper(), value.title()):
            error = refusal(check_distinct_id, spelling.format(text))
            assert (error.code, error.field) == ("distinct_id_forbidden", "distinct_id")

    @pytest.mark.parametrize("value", ['""', "''", "' '"])
    def test_quotes_around_nothing_are_refused(self, value: str) -> None:
        assert refusal(check_distinct_id, value).code == "distinct_id_forbidden"

    @pytest.mark.parametrize(
        "value", ["00", "1", "user1", "user@example.com", "nullable", "nan-1", "a null", "o'guest"]
    )
    def test_ids_that_only_resemble_them_are_fine(self, value: str) -> None:
        check_distinct_id(value)

    def test_the_list_is_lower_case(self) -> None:
        assert {one.lower() for one in FORBIDDEN_DISTINCT_IDS} == FORBIDDEN_DISTINCT_IDS


class TestProject:
    @pytest.mark.parametrize("value", ["a", "shop", "A-1_b.c", "x" * 64])
    def test_takes(self, value: str) -> None:
        check_project(value)

    @pytest.mark.parametrize("value", ["", "x" * 65, "a b", "a:b", "a/b", "\u00e9", "a\n", "\u0661"])
    def test_refuses(self, value: str) -> None:
        assert refusal(check_project, value).code == "project_invalid"


class TestUuid:
    @pytest.mark.parametrize("value", [UUID, UUID.upper(), "ffffffff-ffff-ffff-ffff-ffffffffffff"])
    def test_takes(self, value: str) -> None:
        check_uuid(value)

    @pytest.mark.parametrize(
        "value",
        ["", "1", UUID.replace("-", ""), f"{{{UUID}}}", f"urn:uuid:{UUID}", UUID + "\n", UUID[:-1] + "g",
         "00000000-0000-0000-0000-000000000000"],
    )  # fmt: skip
    def test_refuses(self, value: str) -> None:
        error = refusal(check_uuid, value, "parent_uuid")
        assert (error.code, error.field) == ("uuid_invalid", "parent_uuid")


class TestProperties:
    def test_returns_them_decoded(self) -> None:
        assert check_properties(b'{"a": [1, {"b": null}]}') == {"a": [1, {"b": None}]}
        assert check_properties(msgspec.Raw(b'{"a":1}')) == {"a": 1}

    def test_32_kb_and_one_byte_more(self) -> None:
        filler = b"a" * (MAX_PROPERTIES_BYTES - len(b'{"a":""}'))
        check_properties(b'{"a":"' + filler + b'"}')
        error = refusal(check_properties, b'{"a":"' + filler + b'a"}')
        assert (error.code, error.field) == ("properties_too_large", "properties")
        assert "32769" in error.reason
        assert MAX_PROPERTIES_BYTES == 32 * 1024

    def test_20_levels_and_one_more(self) -> None:
        check_properties(nested(20))
        assert refusal(check_properties, nested(21)).code == "too_deep"
        objects = b'{"a":' * 20 + b"1" + b"}" * 20
        check_properties(objects)
        assert refusal(check_properties, b'{"a":' + objects + b"}").code == "too_deep"

    @pytest.mark.parametrize("levels", [22, 500, 1000, 15_000])
    def test_any_greater_depth(self, levels: int) -> None:
        error = refusal(check_properties, nested(levels))
        assert (error.code, error.field) == ("too_deep", "properties")

    def test_many_brackets_side_by_side_or_in_text_are_not_deep(self) -> None:
        check_properties(json.dumps({"a": [{} for _ in range(500)], "b": "[" * 500 + "{" * 500}).encode())

    def test_nul_characters(self) -> None:
        for raw in (rb'{"a":"\u0000"}', rb'{"\u0000":1}', rb'{"a":["x",{"b":"y\\\u0000z"}]}'):
            assert refusal(check_properties, raw).code == "null_byte"

    def test_a_backslash_before_u0000_is_no_nul(self) -> None:
        assert check_properties(rb'{"a":"\\u0000"}') == {"a": r"\u0000"}

    @pytest.mark.parametrize("raw", [b"null", b"[]", b'"a"', b"1", b"true"])
    def test_other_json_values(self, raw: bytes) -> None:
        assert refusal(check_properties, raw).code == "properties_not_object"

    @pytest.mark.parametrize(
        ("raw", "code"),
        [
            (b"", "not_json"),
            (b"{", "not_json"),
            (b'{"a":NaN}', "not_json"),
            (b'{"a":-Infinity}', "not_json"),
            (b'{"a":"\x00"}', "not_json"),
            (rb'{"a":"\ud800"}', "not_json"),
            (b'{"a":1}{}', "not_json"),
            (b'{"a":"\xff"}', "not_utf8"),
            (b'{"\xed\xa0\x80":1}', "not_utf8"),
            (b'{"a":1e999}', "number_out_of_range"),
        ],
    )
    def test_broken_json(self, raw: bytes, code: str) -> None:
        error = refusal(check_properties, raw)
        assert (error.code, error.field) == (code, "properties")

    def test_nan_is_named(self) -> None:
        assert "NaN" in refusal(check_properties, b'{"a":NaN}').reason

    @given(
        st.recursive(
            st.none() | st.text(max_size=3), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
        )
    )
    def test_agrees_with_a_plain_measure_of_depth_and_nul(self, value: object) -> None:
        raw = json.dumps({"a": value}).encode()
        has_nul = "\0" in "".join(texts(value))
        if has_nul or depth({"a": value}) > 20:
            assert refusal(check_properties, raw).code == ("null_byte" if has_nul else "too_deep")
        else:
            assert check_properties(raw) == {"a": value}


def texts(value: object) -> list[str]:
    """Every text within a JSON value, keys included."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [*value, *texts(list(value.values()))]
    return [text for child in value for text in texts(child)] if isinstance(value, list) else []


def depth(value: object) -> int:
    """Levels of objects and arrays."""
    if not isinstance(value, dict | list):
        return 0
    children = value.values() if isinstance(value, dict) else value
    return 1 + max(map(depth, children), default=0)


class TestEventTime:
    @pytest.mark.parametrize("distance", [0, DAY_MS, -DAY_MS, MAX_DISTANCE_MS, -MAX_DISTANCE_MS])
    def test_within_five_years(self, distance: int) -> None:
        check_event_time(NOW + distance, NOW)

    @pytest.mark.parametrize("distance", [MAX_DISTANCE_MS + 1, -MAX_DISTANCE_MS - 1])
    def test_beyond(self, distance: int) -> None:
        error = refusal(check_event_time, NOW + distance, NOW)
        assert (error.code, error.field) == ("timestamp_out_of_range", "timestamp")

    def test_five_calendar_years_with_two_leap_days(self) -> None:
        assert MAX_DISTANCE_MS == (5 * 365 + 2) * DAY_MS

    def test_1900_and_2200(self) -> None:
        for timestamp in (-2_208_988_800_000, 7_258_118_400_000):
            assert refusal(check_event_time, timestamp, NOW).code == "timestamp_out_of_range"

    def test_seconds_are_recognised(self) -> None:
        assert "milliseconds, not seconds" in refusal(check_event_time, NOW // 1000, NOW).reason
        assert "seconds" not in refusal(check_event_time, -2_208_988_800_000, NOW).reason


class TestSize:
    def test_64_kb_and_one_byte_more(self) -> None:
        assert MAX_EVENT_BYTES == 64 * 1024
        check_size(b"a" * MAX_EVENT_BYTES)
        error = refusal(check_size, b"a" * (MAX_EVENT_BYTES + 1))
        assert (error.code, error.field) == ("too_large", None)

    def test_decoding_checks_it_first(self) -> None:
        padded = body().ljust(MAX_EVENT_BYTES)
        decode_event(padded)
        assert refusal(decode_event, padded + b" ").code == "too_large"
        assert refusal(decode_event, b"[" * 1_000_000).code == "too_large"


class TestDecodeEvent:
    def test_fields_and_defaults(self) -> None:
        event = decode_event(body(properties={"a": 1}, unknown=[1]))
        assert (event.project, event.event, event.distinct_id, event.source) == ("demo", "click", "u1", "sdk")
        assert bytes(event.properties) == b'{"a": 1}'
        assert event.uuid is None

    def test_a_uuid_has_one_spelling(self) -> None:
        assert decode_event(body(uuid=UUID.upper())).uuid == UUID

    @pytest.mark.parametrize(
        ("raw", "code", "field"),
        [
            (b"", "not_json", None),
            (b"{", "not_json", None),
            (b"hello", "not_json", None),
            (b"\xef\xbb\xbf" + body(), "not_json", None),
            (body() + body(), "not_json", None),
            (body()[:-1] + b',"properties":{"a":NaN}}', "not_json", None),
            (body()[:-1] + b',"timestamp":Infinity}', "not_json", None),
            (b"\xff\xfe", "not_utf8", None),
            (b'{"project":"\xff"}', "not_utf8", None),
            (b"null", "wrong_type", None),
            (b"[]", "wrong_type", None),
            (b"{}", "missing_field", "project"),
            (body(event=...), "missing_field", "event"),
            (body(distinct_id=...), "missing_field", "distinct_id"),
            (body(distinct_id=1), "wrong_type", "distinct_id"),
            (body(event=None), "wrong_type", "event"),
            (body(timestamp=True), "wrong_type", "timestamp"),
            (body(sent_at=[]), "wrong_type", "sent_at"),
            (body(uuid=7), "wrong_type", "uuid"),
            (body(source="web"), "wrong_value", "source"),
            (body()[:-1] + b',"timestamp":1e999}', "number_out_of_range", "timestamp"),
            (body()[:-1] + b',"properties":' + b"[" * 20_000 + b"]" * 20_000 + b"}", "too_deep", None),
        ],
    )  # fmt: skip
    def test_what_is_refused_and_where(self, raw: bytes, code: str, field: str | None) -> None:
        error = refusal(decode_event, raw)
        assert (error.code, error.field) == (code, field)

    @given(
        st.binary(max_size=200)
        | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
        | st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from([*Event.__struct_fields__, "other"]) | st.text(max_size=3),
                    inner,
                    max_size=10,
                )
            ),
        ).map(lambda value: json.dumps(value).encode())
    )
    @example(b'{"project":"a","event":"b","distinct_id":"c","timestamp":' + b"9" * 5000 + b"}")
    @example(b'{"project":"a","event":"b","distinct_id":"c","properties":{"a":' + b"9" * 5000 + b"}}")
    @example(b'{"project":"a","event":"b","distinct_id":"c","\xff":1}')
    @example(rb'{"project":"a","event":"\ud83d","distinct_id":"c"}')
    def test_any_bytes_are_an_event_or_our_error(self, raw: bytes) -> None:
        try:
            event = decode_event(raw)
        except InvalidEvent:
            return
        assert isinstance(event, Event)
        try:
            properties = validate(event)
        except InvalidEvent:
            return
        assert isinstance(properties, dict)
        encode(event)


class TestValidate:
    def test_returns_the_properties(self) -> None:
        raw = body(
            uuid=UUID, parent_uuid=UUID, session_id="s", timestamp="2026-01-02T03:04:05Z", sent_at=NOW,
            properties={"a": 1}, _origin=f"{UUID}:0:9223372036854775807",
        )  # fmt: skip
        assert validate(decode_event(raw)) == {"a": 1}
        assert validate(decode_event(body())) == {}

    @pytest.mark.parametrize(
        ("fields", "code", "field"),
        [
            ({"project": "a b"}, "project_invalid", "project"),
            ({"event": ""}, "event_name_empty", "event"),
            ({"event": "a" * 201}, "event_name_too_long", "event"),
            ({"distinct_id": "NULL"}, "distinct_id_forbidden", "distinct_id"),
            ({"distinct_id": "a\0"}, "null_byte", "distinct_id"),
            ({"uuid": "1"}, "uuid_invalid", "uuid"),
            ({"parent_uuid": "1"}, "uuid_invalid", "parent_uuid"),
            ({"_origin": "0:7"}, "origin_invalid", "_origin"),
            ({"_origin": f"{UUID}:0:7\n"}, "origin_invalid", "_origin"),
            ({"session_id": " "}, "session_id_empty", "session_id"),
            ({"session_id": "s" * 201}, "session_id_too_long", "session_id"),
            ({"timestamp": "soon"}, "timestamp_invalid", "timestamp"),
            ({"sent_at": "soon"}, "timestamp_invalid", "sent_at"),
            ({"properties": None}, "properties_not_object", "properties"),
            ({"properties": {"a": "\0"}}, "null_byte", "properties"),
        ],
    )
    def test_names_the_field_at_fault(self, fields: dict[str, object], code: str, field: str) -> None:
        error = refusal(validate, decode_event(body(**fields)))
        assert (error.code, error.field) == (code, field)


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"null", "The event is null; send a JSON object."),
        (b"[]", "The event is an array; send a JSON object."),
        (body(event=1), "The field event is a whole number; send text."),
        (body(event=None), "The field event is null; send text."),
        (body(timestamp=[]), "The field timestamp is an array; send a number or text."),
        (body(queued_at="x"), "The field queued_at is text; send a whole number."),
        (body(source="web"), "The field source has a value that is not one of those allowed."),
        (body()[:-1] + b',"sent_at":1e999}', "A number in the field sent_at is too large; send it as text."),
    ],
)
def test_a_field_of_the_wrong_type_is_told_what_to_be(raw: bytes, sentence: str) -> None:
    assert refusal(decode_event, raw).reason == sentence


def test_properties_are_called_by_their_name() -> None:
    deep = refusal(check_properties, nested(21)).reason
    assert deep == "The field properties is nested too deeply; flatten it to at most 20 levels."
    large = refusal(check_properties, b'{"a":[1e999]}').reason
    assert large == "A number in the field properties is too large; send it as text."
    with pytest.raises(msgspec.ValidationError) as fault:
        msgspec.json.decode(b'{"a":[1e999]}', type=dict[str, Any])
    assert decoding_error(fault.value, b"", None).reason == (
        "A number in the event is too large; send it as text."
    )
