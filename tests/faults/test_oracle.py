"""The oracle, on logs small enough to be worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.faults.load import partition_of
from tests.faults.oracle import (
    DAY_MS,
    HOUR_MS,
    MILLION,
    MINUTE_MS,
    Expected,
    Measures,
    RawRecord,
    UserProfile,
    WindowKey,
    derived_session,
    expected,
)
from tests.faults.poison import Refused

NOON = 20_000 * DAY_MS + 12 * HOUR_MS
"""Noon of some day, UTC."""


def body(name: str = "click", at: int | str | None = NOON, *, user: str = "u", **more: Any) -> bytes:
    """An event's bytes; ``more`` are properties but for ``uuid`` and ``sent_at``."""
    fields = {field: more.pop(field) for field in ("uuid", "sent_at") if field in more}
    event = {"project": "p", "event": name, "distinct_id": user, "timestamp": at, "properties": more} | fields
    return json.dumps({field: value for field, value in event.items() if value is not None}).encode()


def of(*bodies: bytes, appended: int = NOON, poison: Mapping[bytes, Refused] | None = None) -> Expected:
    """What a log of one partition must lead to; it came in at one moment."""
    log = [RawRecord(0, offset, appended, value) for offset, value in enumerate(bodies)]
    return expected(log, poison or {})


def user_in(partition: int) -> str:
    """A user of one of two partitions."""
    users = (f"u{number}" for number in range(100))
    return next(user for user in users if partition_of(f"p:{user}".encode(), 2) == partition)


def profile(*bodies: bytes) -> UserProfile:
    """The one user's profile."""
    return of(*bodies).profiles["p", "u"]


def window(
    found: Expected, metric: str, dimension: str = "", value: str = "", grain: str = "day"
) -> Measures:
    """The one window of a series; its count is 0 where there is none."""
    keys = [key for key in found.windows if key[1:5] == (metric, dimension, value, grain)]
    assert len(keys) <= 1
    return found.windows[keys[0]] if keys else Measures(0)


def test_only_the_first_event_of_a_uuid_counts() -> None:
    found = of(body(uuid="a", at=NOON), body(uuid="a", at=NOON + 1), body(uuid="b"), body(), body())

    assert sorted(found.events) == [(0, 0), (0, 2), (0, 3), (0, 4)]
    assert found.events[0, 0].timestamp_ms == NOON
    assert found.repeated == 1
    assert window(found, "events") == Measures(4)


def test_poison_is_dead_and_its_uuid_stays_free() -> None:
    broken = body(uuid="a").replace(b"event", b"evnt", 1)

    found = of(broken, body(uuid="a"), poison={broken: Refused("p", "missing_field")})

    assert (found.dead, list(found.events)) == ({(0, 0)}, [(0, 1)])


@pytest.mark.parametrize(
    ("at", "sent_at", "expected_time"),
    [
        pytest.param(None, None, NOON, id="without a time, the broker's counts"),
        pytest.param(NOON - 5, None, NOON - 5, id="epoch ms"),
        pytest.param("2024-10-04T11:59:59.995Z", None, NOON - 5, id="ISO"),
        pytest.param("2024-10-04T13:59:59.995+02:00", None, NOON - 5, id="ISO with an offset"),
        pytest.param(NOON - 5, NOON - 60_000, NOON - 5, id="a minute is the way to the broker"),
        pytest.param(NOON + DAY_MS - 5, NOON + DAY_MS, NOON - 5, id="a clock ahead"),
        pytest.param(NOON - DAY_MS - 5, NOON - DAY_MS, NOON - 5, id="a clock behind"),
        pytest.param(NOON + 23 * HOUR_MS, None, NOON + 23 * HOUR_MS, id="a time zone ahead"),
        pytest.param(NOON + 23 * HOUR_MS + 1, None, NOON, id="further ahead, it counts as it arrives"),
    ],
)
def test_event_times(at: int | str | None, sent_at: int | None, expected_time: int) -> None:
    found = of(body(at=at, sent_at=sent_at))

    assert found.events[0, 0].timestamp_ms == expected_time


def test_five_years_away_is_dead() -> None:
    found = of(body(at=NOON - 1827 * DAY_MS), body(at=NOON - 1827 * DAY_MS - 1))

    assert (list(found.events), found.dead) == ([(0, 0)], {(0, 1)})


def test_a_profile_sums_up_its_user() -> None:
    found = profile(body(at=NOON), body(at=NOON - 2 * DAY_MS), body(at=NOON - 200 * DAY_MS))

    assert (found.first_seen, found.last_seen, found.events) == (NOON - 200 * DAY_MS, NOON, 3)
    assert found.active_days == {20_000, 19_998}


@pytest.mark.parametrize(
    ("minutes", "session", "sessions"),
    [
        pytest.param([0], (0, 0, 1), 1, id="one event"),
        pytest.param([0, 30], (0, 30, 2), 1, id="half an hour is no pause"),
        pytest.param([0, 31], (31, 31, 1), 2, id="a longer one is"),
        pytest.param([31, 0], (31, 31, 1), 1, id="what is older changes nothing"),
        pytest.param([30, 0], (0, 30, 2), 1, id="unless it is near"),
        pytest.param(range(0, 1441, 30), (0, 1440, 49), 1, id="24 hours"),
        pytest.param(range(0, 1471, 30), (1470, 1470, 1), 2, id="and no longer"),
    ],
)
def test_sessions(minutes: list[int], session: tuple[int, int, int], sessions: int) -> None:
    found = profile(*(body(at=NOON + minute * MINUTE_MS - 2 * DAY_MS) for minute in minutes))

    started, last, events = session
    began = NOON - 2 * DAY_MS
    assert found.session == (began + started * MINUTE_MS, began + last * MINUTE_MS, events)
    assert found.sessions == sessions


@pytest.mark.parametrize(
    ("minutes", "begun"),
    [
        pytest.param([0, 30, 61], [0, 0, 61], id="the first event names it"),
        pytest.param([30, 0], [30, 30], id="which came first, not earliest"),
        pytest.param([0, 100, 20], [0, 100, 0], id="a late event finds its own"),
        pytest.param([0, 300, 100], [0, 300, 100], id="or begins one"),
        pytest.param([0, 50, 25], [0, 50, 50], id="between two it is the later's"),
        pytest.param([0, 100, 200, 300, 10], [0, 100, 200, 300, 10], id="the third last is forgotten"),
        pytest.param([0, 100, 200, 10, 300, 20], [0, 100, 200, 0, 300, 0], id="unless it was touched"),
    ],
)
def test_events_without_a_session_get_their_user_s(minutes: list[int], begun: list[int]) -> None:
    began = NOON - 2 * DAY_MS
    found = of(*(body(at=began + minute * MINUTE_MS) for minute in minutes)).events

    assert [found[0, at].session_id for at in range(len(minutes))] == [
        derived_session(began + minute * MINUTE_MS) for minute in begun
    ]


@pytest.mark.parametrize(
    ("name", "properties", "revenue"),
    [
        pytest.param(
            "ticket_purchased", {"amount": 12.5, "currency": "EUR"}, {"EUR": 12_500_000}, id="euros"
        ),
        pytest.param("payment_refunded", {"amount": 12.5}, {"": -12_500_000}, id="a refund, no currency"),
        pytest.param("ticket_purchased", {"amount": "1e3", "currency": " inr "}, {"INR": 10**9}, id="text"),
        pytest.param("ticket_purchased", {"amount": 1, "currency": "rupees"}, {"other": MILLION}, id="other"),
        pytest.param("ticket_purchased", {"amount": 1e12}, {}, id="too much"),
        pytest.param("ticket_purchased", {"amount": True}, {}, id="no number"),
        pytest.param("ticket_purchased", {"amount": "free"}, {}, id="no number's text"),
        pytest.param("ticket_purchased", {}, {}, id="nothing"),
        pytest.param("payment_succeeded", {"amount": 5}, {}, id="no sale"),
    ],
)
def test_revenue_by_currency(name: str, properties: dict[str, Any], revenue: dict[str, int]) -> None:
    assert profile(body(name, **properties)).revenue == revenue


def test_windows_of_revenue_hold_the_home_currency_and_each_currency() -> None:
    found = of(
        body("ticket_purchased", amount=10, currency="INR", country="IN"),
        body("payment_refunded", amount=4),
        body("ticket_purchased", amount=7, currency="USD", country="US"),
    )

    assert window(found, "revenue") == Measures(2, 6 * MILLION, -4 * MILLION, 10 * MILLION)
    assert window(found, "revenue", "event", "payment_refunded").sum == -4 * MILLION
    assert window(found, "revenue", "country", "IN").count == 1
    assert window(found, "revenue", "country", "US").count == 0
    assert window(found, "revenue", "currency", "INR").sum == 6 * MILLION
    assert window(found, "revenue", "currency", "USD").sum == 7 * MILLION


def test_active_users_are_counted_once_and_not_by_system_events() -> None:
    found = of(
        body(user="a", country="IN"),
        body(user="a", country="US", at=NOON + 1),
        body("api_request", user="b", country="IN"),
    )

    assert window(found, "active_users").count == 1
    assert window(found, "active_users", "event", "api_request").count == 0
    assert window(found, "active_users", "country", "IN").count == 1
    assert window(found, "active_users", "country", "US").count == 1
    assert window(found, "events").count == 3


@pytest.mark.parametrize("country", ["", None, 49, "x" * 101, ["IN"]])
def test_what_is_no_country_makes_no_series(country: Any) -> None:
    assert all(key.dimension != "country" for key in of(body(country=country)).windows)


def test_windows_begin_at_whole_minutes_hours_and_days_utc() -> None:
    starts = {key.grain: key.start for key in of(body(at=NOON + 90 * MINUTE_MS + 1)).windows}

    assert starts == {
        "minute": NOON + 90 * MINUTE_MS,
        "hour": NOON + HOUR_MS,
        "day": NOON - 12 * HOUR_MS,
    }


def test_sentiment_is_vaders_compound_of_the_texts() -> None:
    """0.4404 is the score of "good" in the library's own documentation of its lexicon (1.9, normalised)."""
    found = of(body("event_reviewed", text="good"), body("event_reviewed", text="  "), body())

    assert window(found, "sentiment") == Measures(1, 440_400, 440_400, 440_400)
    assert WindowKey("p", "sentiment", "event", "event_reviewed", "day", NOON - 12 * HOUR_MS) in found.windows


def test_the_stream_counts_its_records_by_the_time_of_their_arrival() -> None:
    broken = b"no event"

    found = of(
        body(uuid="a", at=NOON - DAY_MS), body(uuid="a"), body(at=0), broken,
        appended=NOON + 1, poison={broken: Refused("", "not_json")},
    )  # fmt: skip

    assert found.windows[WindowKey("p", "records_received", "", "", "minute", NOON)] == Measures(3)
    assert window(found, "records_rejected", "reason", "timestamp_out_of_range") == Measures(1)
    assert found.windows[WindowKey("", "records_received", "", "", "minute", NOON)] == Measures(1)
    assert found.windows[WindowKey("", "records_rejected", "reason", "not_json", "minute", NOON)].count == 1


def test_a_row_says_what_was_sent_and_how_it_feels() -> None:
    sent = body("event_reviewed", uuid="a", text="good", rating=4)

    found = of(sent.replace(b'"project"', b'"session_id": "s", "project"'), appended=NOON + 7).events[0, 0]

    assert (found.session_id, found.received_ms) == ("s", NOON + 7)
    assert found.properties == '{"rating": 4, "text": "good"}'
    assert (found.sentiment, found.label) == (440_400, "positive")


def test_private_words_are_scored_and_not_stored() -> None:
    found = of(body("message_sent", text="bad", topic="t")).events[0, 0]

    assert (found.properties, found.label) == ('{"$text_length": 3, "topic": "t"}', "negative")


def test_windows_that_every_partition_has_passed_must_be_closed() -> None:
    log = [
        RawRecord(0, 0, NOON, body(at=NOON, user=user_in(0))),
        RawRecord(0, 1, NOON, body(at=NOON - 5 * MINUTE_MS, user=user_in(0))),
        RawRecord(1, 0, NOON, body(at=NOON - 2 * MINUTE_MS, user=user_in(1))),
    ]

    windows = expected(log, {}, partitions=2).windows

    minutes = {key.start: m.closed for key, m in windows.items() if key[1:5] == ("events", "", "", "minute")}
    assert minutes == {NOON - 5 * MINUTE_MS: True, NOON - 2 * MINUTE_MS: False, NOON: False}
    assert not any(measures.closed for measures in expected(log, {}, partitions=3).windows.values())


def test_a_partition_of_nothing_but_refused_records_holds_no_window_open() -> None:
    poison = {b"broken": Refused("p", "not_json"), b"late": Refused("p", "not_json")}
    log = [
        RawRecord(0, 0, NOON, body(at=NOON, user=user_in(0))),
        RawRecord(0, 1, NOON, body(at=NOON - 5 * MINUTE_MS, user=user_in(0))),
        RawRecord(1, 0, NOON - 3 * MINUTE_MS, b"broken"),
        RawRecord(1, 1, NOON - 4 * MINUTE_MS, b"late"),
    ]

    def closed(log: list[RawRecord]) -> dict[int, bool]:
        windows = expected(log, poison, partitions=2).windows
        return {k.start: m.closed for k, m in windows.items() if k[1:5] == ("events", "", "", "minute")}

    assert closed(log) == {NOON - 5 * MINUTE_MS: True, NOON: False}
    mixed = [*log, RawRecord(1, 2, NOON, body(at=NOON - 6 * MINUTE_MS, user=user_in(1)))]
    assert not any(closed(mixed).values()), "an event that counts tells the time"
