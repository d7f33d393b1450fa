"""Money in properties: read from JSON as the store's own columns read it, exactly."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loopin_schemas import EnrichedEvent
from loopin_schemas.validation import check_properties
from loopin_sinks.migrate import migrate
from loopin_sinks.rows import to_arrow
from loopin_sinks.store import StoreSettings, open_store
from loopin_streams.state.amounts import MAX_AMOUNT, MAX_TOTAL, added, amount, currency, millionths, number

TOPIC_ID = "0b5a1c70-6d3b-4b6e-9a51-3f1f0a2b7c11"
NOW_MS = 1_800_000_000_000

Row = dict[str, Any]
Stored = Callable[[Sequence[str]], list[Row]]

NORMALISED = """
SELECT amount, if(abs(amount) < 1e12, toInt64(round(assumeNotNull(amount) * 1000000)), NULL) AS millionths,
    multiIf(trimBoth(currency) = '', '',
        match(trimBoth(currency), '^[A-Za-z]{3}$'), upper(trimBoth(currency)), 'other') AS currency
FROM events ORDER BY _offset
"""
"""What a query over the stored columns says: an oracle that shares nothing with the code in question."""


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    """Puts properties, as JSON, into the table ``events`` and answers what its columns say."""
    store_settings = StoreSettings(data_dir=tmp_path_factory.mktemp("store"))
    with asyncio.Runner() as runner:
        store = open_store(store_settings)
        runner.run(migrate(store, store_settings))

        async def ask(bodies: Sequence[str]) -> list[Row]:
            events = [row(body) for body in bodies]
            rows = to_arrow(events, 0, range(len(events)), TOPIC_ID, lambda _: 3000, NOW_MS)
            await store.command("TRUNCATE TABLE events")
            await store.insert("events", rows, token=str(uuid.uuid4()))
            return await store.query(NORMALISED)

        yield lambda bodies: runner.run(ask(bodies))
        runner.run(store.close())


def row(properties: str) -> EnrichedEvent:
    return EnrichedEvent(
        uuid=str(uuid.uuid4()),
        project="demo",
        event="ticket_purchased",
        distinct_id="u1",
        timestamp=NOW_MS,
        received_at=NOW_MS,
        raw_partition=0,
        raw_offset=0,
        properties=msgspec.Raw(properties.encode()),
    )


def assert_alike(bodies: Sequence[str], stored: Stored) -> None:
    for body, found in zip(bodies, stored(bodies), strict=True):
        properties = check_properties(body.encode())
        ours = number(properties.get("amount"))
        assert ours == found["amount"], body
        assert amount(properties) == found["millionths"], body
        assert currency(properties) == found["currency"], body


NUMBERS_AS_TEXT = (
    *("1_000", "０", "５", "٣", "1e１", ".5", "5.", "5.e3", ".", "", "+", "-", "+5", "++5", "-.5", "+-5"),
    *("e5", "1e", "1e+", "1E+5", "1e5", "1e 5", "1 000", " 5", "5 ", "\t5", "5\n", "1,5", "1.5.5", "00012"),
    *("0x10", "0b1", "5f", "1d5", "1p3", "$5", "5%", "−5", "inf", "-inf", "nan", "NaN", "Infinity", "true"),
    *("null", "-0", "1e400", "-1e400", "1e-400", "0e99999999999999999999", "1e-99999999999999999999"),
    *("9" * 25, "0" * 60 + "1", "1." + "0" * 60, "1" * 29, "0.1000000000000000055511151231257827", "4.35"),
    *("9007199254740993", "1e22", "1e23", "2.5e-7", "0.0000005", "0.0000015", "999999999999.9999999"),
)
NUMBERS_AS_JSON = (
    *("1", "-1", "1.5", "-0", "-0.0", "0.1", "1E5", "1e-400", "4.35", "8.41", "1.005", "0.0000005", "true"),
    *("false", "null", "{}", "[]", "[5]", '{"a":5}', "9007199254740993", "18446744073709551615", "5e-324"),
    *("18446744073709551616", "-9223372036854775809", "123456789012345678901234567890", "1" + "0" * 29),
)
CURRENCIES = (
    *('"INR"', '"inr"', '" inr "', '"\\tINR"', '"\\u00a0INR"', '"\\u0069nr"', '""', '"  "', '"IN"', '"INRR"'),
    *('"I R"', '"in1"', '"ＩＮＲ"', '"ıNR"', '"ÍNR"', '"ﬁx"', "5", "1.50", "123", "true", "null", "{}", "[]"),
    *('["INR"]', '{"a":"INR"}', '"$$$"', '"ABC\\n"'),
)


def test_every_odd_form_is_read_as_the_store_reads_it(stored: Stored) -> None:
    texts = [json.dumps({"amount": text}, ensure_ascii=False) for text in NUMBERS_AS_TEXT]
    plain = [f'{{"amount":{value}}}' for value in NUMBERS_AS_JSON]
    named = [f'{{"currency":{value}}}' for value in CURRENCIES]
    escaped = ['{"amo\\u0075nt":"\\u0035"}', '{"Amount":5,"CURRENCY":"INR"}', '{"a":{"amount":5}}', "{}"]
    assert_alike([*texts, *plain, *named, *escaped], stored)


def test_what_the_store_cannot_hold_is_no_number() -> None:
    for value in ("1e308", "-1e308", "1" + "0" * 300):
        assert number(json.loads(value)) == number(value) == float(value)
        assert amount({"amount": value}) is None
    for value in ("1e309", "1" * 400):
        assert number(value) is None
    assert number(10**400) is None


digits = st.sampled_from([*"0123456789" * 2, *"+-.eE _,x٣０"])
scrambled = st.lists(digits, max_size=12).map("".join)
near_numbers = st.from_regex(r"[+-]?\d{0,20}\.?\d{0,20}(e[+-]?\d{1,2})?")
prices = st.floats(-1e7, 1e7).map(lambda value: round(value, 2))
numbers = st.floats(allow_nan=False, allow_infinity=False) | prices | st.integers(-(10**29), 10**29)
amounts = scrambled | near_numbers | numbers | st.booleans() | st.none() | st.text(max_size=5)
codes = st.text(st.sampled_from("inrINR$ 5é"), max_size=5) | st.none() | st.integers()


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(amounts, codes), min_size=1, max_size=300))
def test_any_amount_and_currency_is_read_as_the_store_reads_it(
    stored: Stored, drawn: list[tuple[object, object]]
) -> None:
    bodies = [
        json.dumps({"amount": value, "currency": code}, ensure_ascii=False)
        for value, code in drawn
        if "\0" not in f"{value}"
    ]
    if bodies:
        assert_alike(bodies, stored)


@given(st.integers(-(2**51), 2**51))
@example(2**51 - 1)
def test_six_places_are_exact_as_far_as_a_float_reaches(value: int) -> None:
    assert millionths(value / 1_000_000) == value


@pytest.mark.parametrize("value", [MAX_AMOUNT, -MAX_AMOUNT, 1e300, str(MAX_AMOUNT), True, None, "", [], {}])
def test_an_incredible_amount_does_not_count(value: object) -> None:
    assert amount({"amount": value}) is None


def test_without_an_amount_there_is_none() -> None:
    assert amount({}) is None
    assert amount({"amount": 0}) == 0
    assert amount({"amount": -999_999_999}) == -999_999_999_000_000


def test_long_hostile_text_costs_no_more_than_its_length() -> None:
    # With a pattern that backtracks over the square of it, this would take minutes.
    assert number("1" * 32_000 + "x") is None
    assert number("1." * 16_000) is None


@given(st.lists(st.integers(-(2**63), 2**63), max_size=20))
def test_totals_stop_at_what_64_bits_hold(values: list[int]) -> None:
    total = 0
    for value in values:
        total = added(total, value)
        assert -MAX_TOTAL <= total <= MAX_TOTAL < 2**63
    if all(abs(sum(values[:at])) <= MAX_TOTAL for at in range(len(values) + 1)):
        assert total == sum(values)
