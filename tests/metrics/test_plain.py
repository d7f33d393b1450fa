"""The plain metrics, on a few events each that are counted by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from loopin_schemas import EnrichedEvent
from tests.metrics.plain import METRICS, SESSION_METRICS, World, calculate, calculate_where, having

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
MILLISECOND = timedelta(milliseconds=1)
START = datetime(2026, 3, 10, tzinfo=UTC)
"""A Tuesday's midnight; the bucket of most examples is this day."""
END = START + DAY
KOLKATA = ZoneInfo("Asia/Kolkata")
NEW_YORK = ZoneInfo("America/New_York")


def made(
    event: str,
    user: str,
    at: datetime,
    properties: Mapping[str, Any] | None = None,
    *,
    session: str | None = None,
    sentiment: float | None = None,
    project: str = "shop",
) -> EnrichedEvent:
    ms = round(at.timestamp() * 1000)
    return EnrichedEvent(
        uuid=f"{event} {user} {ms}",
        project=project,
        event=event,
        distinct_id=user,
        timestamp=ms,
        received_at=ms,
        session_id=session,
        sentiment=sentiment,
        properties=msgspec.Raw(json.dumps(properties or {}).encode()),
        raw_partition=0,
        raw_offset=0,
    )


def world(
    *events: EnrichedEvent,
    zone: tzinfo = UTC,
    now: datetime = END + 365 * DAY,
    person_of: Mapping[str, str] | None = None,
    rates: Mapping[str, Sequence[tuple[date, float]]] | None = None,
    internal: frozenset[str] = frozenset(),
) -> World:
    return World(events, "shop", person_of or {}, zone, now, "INR", rates or {}, internal)


def of_day(name: str, *events: EnrichedEvent, **more: Any) -> float | None:
    """A metric of the day START."""
    return calculate(name, world(*events, **more), START, END)


def clicks(user: str, *days_ago: float) -> list[EnrichedEvent]:
    """Clicks at the noon of days before the bucket's; 0 is the bucket's."""
    return [made("click", user, START + DAY / 2 - ago * DAY) for ago in days_ago]


def repeated(**counts: int) -> list[EnrichedEvent]:
    """So many events of each name, an hour into the bucket."""
    return [made(name, f"u{n}", START + HOUR) for name, count in counts.items() for n in range(count)]


def test_trailing_users_are_those_of_the_last_1_7_and_30_days() -> None:
    events = [*clicks("a", 0), *clicks("b", 0, 6), *clicks("c", 6), *clicks("d", 7), *clicks("e", 29)]
    events += clicks("f", 30)
    assert of_day("dau", *events) == 2  # a b
    assert of_day("wau", *events) == 3  # a b c
    assert of_day("mau", *events) == 5  # all but f
    assert of_day("total_users", *events) == 6


def test_a_bucket_is_half_open() -> None:
    events = [made("click", "a", START - MILLISECOND), made("click", "b", START)]
    events += [made("click", "c", END - MILLISECOND), made("click", "d", END)]
    assert of_day("dau", *events) == 2
    assert of_day("sessions", *events, made("click", "a", START - HOUR)) == 2
    assert of_day("total_users", *events) == 3


def test_an_hours_bucket_counts_its_day_as_far_as_it_has_come() -> None:
    events = [made("click", name, START + hour * HOUR) for name, hour in [("a", 1), ("b", 5), ("c", 7)]]
    assert calculate("dau", world(*events), START + 5 * HOUR, START + 6 * HOUR) == 2


def test_a_week_that_is_not_over_has_todays_value() -> None:
    now = START + 15 * HOUR
    events = [*clicks("a", 0), *clicks("b", 1)]
    assert calculate("dau", world(*events, now=now), START - DAY, START + 6 * DAY) == 1


def test_days_are_the_zones() -> None:
    # In Kolkata it is 5:30 h later: the first click is already on the 11th there.
    events = [made("click", "a", START + 19 * HOUR), made("click", "b", START + 18 * HOUR)]
    end = datetime(2026, 3, 12, tzinfo=KOLKATA)
    assert calculate("dau", world(*events, zone=KOLKATA), end - DAY, end) == 1


def test_users_are_persons_without_bots_and_colleagues() -> None:
    events = [made("click", name, START + HOUR) for name in ("a", "a's phone", "b", "boss", "boss's phone")]
    events.append(made("click", "crawler", START + HOUR, {"$is_bot": True}))
    events.append(made("click", "human", START + HOUR, {"$is_bot": "true"}))
    events.append(made("click", "elsewhere", START + HOUR, project="other"))
    person_of = {"a's phone": "a", "boss's phone": "boss"}
    internal = frozenset({"boss's phone"})
    assert of_day("dau", *events, person_of=person_of, internal=internal) == 3  # a b human


def test_system_events_make_nobody_active() -> None:
    events = [made(name, name, START + HOUR) for name in ("api_request", "system_metric", "error_logged")]
    assert of_day("dau", *events) == 0
    assert of_day("sessions", *events) == 0
    assert of_day("api_requests", *events) == 1


def test_stickiness() -> None:
    # 3 persons of the month: a on 2 days (twice on one of them), b on 3, c on 1: (2 + 3 + 1) / 30 / 3.
    events = [*clicks("a", 0, 0.1, 10), *clicks("b", 1, 2, 29), *clicks("c", 5), *clicks("d", 30)]
    assert of_day("stickiness", *events) == pytest.approx(6 / 30 / 3)
    assert of_day("stickiness", *clicks("d", 30)) is None


def test_churn_is_of_those_active_31_to_60_days_ago() -> None:
    events = [
        *clicks("lost", 30),
        *clicks("lost too", 59, 70),
        *clicks("kept", 45, 29),
        *clicks("back", 59, 0),
    ]
    events += [*clicks("older", 60), *clicks("new", 3)]
    assert of_day("churn_rate", *events) == 2 / 4


def test_host_dropout() -> None:
    def hosted(ago: int, user: str, **properties: Any) -> EnrichedEvent:
        return made("event_created", user, START + HOUR - ago * DAY, properties)

    events = [hosted(30, "x", host_id="gone"), hosted(89, "y", host_id=7), hosted(40, "z")]
    events += [hosted(5, "helper", host_id="7"), hosted(90, "too long ago"), hosted(1, "new")]
    # Former hosts are "gone", "7" and "z"; of them "7" has created again.
    assert of_day("host_dropout_rate", *events) == pytest.approx(2 / 3)


def test_verification_and_completion() -> None:
    events = [*clicks("a", 9), *clicks("b", 8), made("user_verified", "a", START + HOUR)]
    events.append(made("user_verified", "c", END))
    assert of_day("user_verification_rate", *events) == 1 / 2
    told = [("a", 3, 0.9), ("a", 2, 0.4), ("a", 2, 0.5), ("a", 1, 1.5), ("a", 1, True), ("b", 9, 1)]
    updates = [
        made("profile_updated", user, START - ago * DAY, {"completion": completion})
        for user, ago, completion in told
    ]
    assert of_day("profile_completion_rate", *updates) == (0.5 + 1) / 2


def test_retention_is_on_the_day_and_rolling_on_any_of_seven() -> None:
    events = [*clicks("a", 0, -1), *clicks("b", 0, -7), *clicks("c", 0, -3), *clicks("d", 0, -8)]
    events += clicks("old", 1, 0, -1)
    assert of_day("retention_d1", *events) == 1 / 4
    assert of_day("retention_d7", *events) == 1 / 4
    assert of_day("retention_7d_rolling", *events) == 3 / 4
    assert of_day("retention_d30", *events) == 0


def test_retention_counts_days_that_are_over_and_begin_in_the_bucket() -> None:
    events = [*clicks("a", 0, -1), *clicks("b", -1, -2), *clicks("c", -1)]
    week = START, START + 7 * DAY
    assert calculate("retention_d1", world(*events), *week) == pytest.approx(2 / 3)
    # The day after b's and c's first is not over yet.
    assert calculate("retention_d1", world(*events, now=START + 3 * DAY - MILLISECOND), *week) == 1
    assert calculate("retention_d1", world(*events, now=START + 3 * DAY), *week) == pytest.approx(2 / 3)
    assert calculate("retention_d1", world(*events, now=START + DAY), *week) is None
    assert calculate("retention_d1", world(*events), START + HOUR, END) is None


def viewed(user: str, minute: float, session: str | None = None, name: str = "$pageview") -> EnrichedEvent:
    return made(name, user, START + minute * MINUTE, session=session)


def test_sessions_by_id_and_by_pauses() -> None:
    events = [viewed("a", 0, "s"), viewed("a", 200, "s"), viewed("b", 0, "s")]  # 200 and 0 minutes
    events += [viewed("c", 0), viewed("c", 30), viewed("c", 60 + 1 / 60_000)]  # 30 and 0 minutes
    assert of_day("sessions", *events) == 4
    assert of_day("sessions_per_user", *events) == pytest.approx(4 / 3)
    assert of_day("avg_session_length", *events) == pytest.approx((200 + 30) / 4)


def test_sessions_belong_to_the_bucket_where_they_began() -> None:
    midnight = [viewed("a", -10, "s"), viewed("a", 10, "s"), viewed("b", -10), viewed("b", 10)]
    assert of_day("sessions", *midnight) == 0
    assert of_day("sessions_per_user", *midnight) == 0
    late = [viewed("a", 1430, "s"), viewed("a", 1450, "s")]
    assert of_day("sessions", *late) == 1
    assert of_day("avg_session_length", *late) == 20, "what lies beyond the bucket's end counts"


def test_a_session_is_followed_for_a_day_beyond_both_ends() -> None:
    assert of_day("sessions", viewed("a", -1441, "s"), viewed("a", 10, "s")) == 1
    assert of_day("sessions", viewed("a", -1440, "s"), viewed("a", 10, "s")) == 0
    assert of_day("avg_session_length", viewed("a", 0, "s"), viewed("a", 2879, "s")) == 2879
    assert of_day("avg_session_length", viewed("a", 0, "s"), viewed("a", 2880, "s")) == 0


def test_bounces() -> None:
    events = [
        viewed("bounced", 0),
        viewed("bounced", 1, name="$pageleave"),
        viewed("bounced", 2, name="page_loaded"),
    ]
    events += [viewed("two pages", 0), viewed("two pages", 1)]
    events += [viewed("clicked", 0), viewed("clicked", 1, name="click")]
    events += [viewed("no page", 0, name="click")]
    events += [viewed("asked the API", 0), viewed("asked the API", 1, name="api_request")]
    assert of_day("bounce_rate", *events) == 2 / 4


def test_crashes() -> None:
    events = [viewed("a", 0), viewed("a", 1, name="app_crashed"), viewed("a", 2, name="app_crashed")]
    events += [viewed("b", 0), viewed("c", 0), viewed("c", 60)]
    assert of_day("crash_rate", *events) == 1 / 4


def test_page_views() -> None:
    paths = [("a", "s", {"path": "/x"}), ("a", "s", {"$pathname": "/x"}), ("a", "t", {"path": "/x"})]
    paths += [("b", "s", {"path": "/x", "$pathname": "/y"}), ("b", "s", {"$pathname": "/y"}), ("b", "s", {})]
    events = [made("$pageview", user, START, path, session=session) for user, session, path in paths]
    assert of_day("page_views", *events) == 6
    assert of_day("unique_page_views", *events) == 5


def test_conversion_within_14_days() -> None:
    at = END - HOUR

    def seen(user: str, then: timedelta, viewed: Any = 1, joined: Any = "1") -> list[EnrichedEvent]:
        events = [made("event_viewed", user, at, {"event_id": viewed})]
        return [*events, made("event_joined", user, at + then, {"event_id": joined})]

    events = [*seen("last moment", 14 * DAY), *seen("too late", 14 * DAY + MILLISECOND)]
    events += [*seen("at once", timedelta()), *seen("before", -HOUR), *seen("another", HOUR, joined="2")]
    events += [*seen("first moment", MILLISECOND), *seen("of none", HOUR, viewed=None, joined=None)]
    assert of_day("view_to_join", *events) == pytest.approx(2 / 6)
    assert of_day("view_to_attend", *events) == 0


def test_conversions_go_by_person() -> None:
    events = [made("event_joined", "a", START, {"event_id": "1"})]
    events.append(made("event_attended", "a's phone", END + HOUR, {"event_id": "1"}))
    events.append(made("event_joined", "a", START, {"event_id": "2"}))
    assert of_day("join_to_attend", *events, person_of={"a's phone": "a"}) == 1
    assert of_day("join_to_attend", *events) == 0


def paid(
    user: str, amount: Any, at: datetime = START + HOUR, refund: bool = False, **more: Any
) -> EnrichedEvent:
    name = "payment_refunded" if refund else "ticket_purchased"
    return made(name, user, at, {"amount": amount, **more})


def test_revenue_is_less_refunds() -> None:
    events = [paid("a", 100), paid("a", 0.1, currency="INR"), paid("b", 0.2, currency=" inr ")]
    events += [paid("b", 40, refund=True), paid("c", 8, currency=""), *clicks("d", 0)]
    assert of_day("revenue", *events) == 68.3
    assert of_day("rpu", *events) == pytest.approx(68.3 / 4)
    assert of_day("arppu", *events) == pytest.approx(68.3 / 3)
    assert of_day("ticket_conversion", *events) == 3 / 4


def test_amounts_that_are_none_do_not_count() -> None:
    events = [paid("a", odd) for odd in ("12", None, True, [1], 1e12, -1e12, 1e308)]
    assert of_day("revenue", *events) == 0
    assert of_day("revenue", *events, paid("a", 999_999_999_999)) == 999_999_999_999


def test_other_currencies_by_the_rate_of_the_day() -> None:
    rates = {
        "EUR": [(date(2026, 3, 10), 100.0), (date(2026, 3, 1), 90.0), (date(2026, 3, 11), 110.0)],
        "USD": [(date(2026, 3, 11), 80.0)],
        "TOKEN": [(date(2026, 1, 1), 5.0)],
    }
    events = [paid("a", 2, currency="eur"), paid("a", 1, currency="EUR", refund=True)]  # 200 - 100
    events += [paid("a", 1, currency="USD"), paid("a", 1, currency="GBP"), paid("a", 1, currency="TOKEN")]
    assert of_day("revenue", *events, rates=rates) == 100
    assert of_day("revenue", *events) == 0
    early = paid("a", 1, START - HOUR, currency="EUR")
    assert calculate("revenue", world(early, rates=rates), START - DAY, START) == 90
    # An hour before midnight in London it is the 10th in Kolkata already.
    assert calculate("revenue", world(early, rates=rates, zone=KOLKATA), START - DAY, START) == 100


def platform_event(number: int, starts_at: Any, at: datetime = START - 5 * DAY) -> EnrichedEvent:
    return made("event_created", "host", at, {"event_id": number, "starts_at": starts_at})


def about(name: str, user: str, number: int, at: datetime) -> EnrichedEvent:
    return made(name, user, at, {"event_id": str(number)})


def test_success_and_attendance_of_the_events_that_began() -> None:
    noon = START + DAY / 2
    events = [
        platform_event(1, "2026-03-10T12:00:00Z"),
        platform_event(2, noon.timestamp() * 1000),
        platform_event(3, "2026-03-10T12:00:00"),
        platform_event(4, "2026-03-11T00:00:00Z"),
        platform_event(5, "soon"),
        platform_event(6, "2026-03-10T12:00:00Z"),
        platform_event(6, "2026-04-10T12:00:00Z", START - 4 * DAY),
        platform_event(7, "2026-03-10T17:30:00+05:30"),
        about("event_cancelled", "host", 3, noon - MILLISECOND),
        about("event_cancelled", "host", 7, noon),
        about("event_sold_out", "host", 1, noon - MILLISECOND),
        about("event_sold_out", "host", 2, noon),
        about("event_sold_out", "host", 3, noon - HOUR),
        about("event_joined", "a", 1, noon - 2 * DAY),
        about("event_joined", "b", 1, noon - HOUR),
        about("event_joined", "b", 1, noon - MINUTE),
        about("event_joined", "a", 2, noon - HOUR),
        about("event_joined", "c", 1, noon),
        about("event_joined", "d", 3, noon - HOUR),
        about("event_attended", "b", 1, noon + HOUR),
        about("event_attended", "c", 1, noon + HOUR),
        about("event_attended", "d", 3, noon + HOUR),
        about("event_attended", "e", 1, noon + HOUR),
    ]
    # 1, 2 and 7 began on that day; 1 was sold out. Pairs joined: a-1, b-1, a-2; attended: b-1.
    assert of_day("event_success_rate", *events) == pytest.approx(1 / 3)
    assert of_day("attendance_rate", *events) == pytest.approx(1 / 3)
    assert of_day("event_success_rate", *events, now=noon) is None
    assert of_day("attendance_rate", *events, now=noon) is None


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ([("event_cancelled", "host"), ("event_published", "host")], 1.0),
        ([("event_cancelled", "host"), ("event_published", "colleague")], 1.0),
        ([("event_published", "host"), ("event_cancelled", "colleague")], None),
        ([("event_cancelled", "host"), ("event_published", "host"), ("event_cancelled", "host")], None),
    ],
)
def test_the_last_word_of_anybody_says_whether_an_event_took_place(
    words: list[tuple[str, str]], value: float | None
) -> None:
    noon = START + DAY / 2
    events = [
        platform_event(1, noon.isoformat()),
        about("event_joined", "a", 1, noon - 2 * DAY),
        about("event_attended", "a", 1, noon + HOUR),
        about("event_sold_out", "host", 1, noon - HOUR),
        *(about(name, who, 1, noon - DAY + hour * HOUR) for hour, (name, who) in enumerate(words)),
    ]
    for name in ("attendance_rate", "event_success_rate"):
        assert of_day(name, *events, internal=frozenset({"colleague"})) == value


def test_ratings_and_sentiment() -> None:
    events = [
        made("event_reviewed", "a", START, {"rating": 5}, sentiment=0.5),
        made("event_reviewed", "b", START, {"rating": 2}),
        made("event_reviewed", "c", START, {"rating": 6}, sentiment=-0.25),
        made("feedback_submitted", "d", START, {"rating": 1}),
        made("feedback_submitted", "e", START, {"rating": True}, sentiment=0.0),
        made("message_sent", "f", START, {"rating": 5}, sentiment=1.0),
    ]
    assert of_day("satisfaction", *events) == pytest.approx((1 + 0.25 + 0) / 3)
    assert of_day("event_rating", *events) == 3.5
    assert of_day("review_sentiment", *events) == pytest.approx(0.25 / 3)


def in_community(
    user: str, minute: int, community: Any = "x", name: str = "community_activity"
) -> EnrichedEvent:
    return made(name, user, START + minute * MINUTE + timedelta(seconds=59), {"community_id": community})


def test_online_members() -> None:
    # Minutes online in the hour: a 0 and 1 (active 3 before it), b 10-16, c 12-16 in another, d 58 and 59.
    events = [in_community("a", -3), in_community("b", 10), in_community("b", 12)]
    events += [in_community("c", 12, 7), in_community("d", 58), in_community("e", 60)]
    events += [in_community("f", 5, None), in_community("g", 5, name="error_logged")]
    hour = START, START + HOUR
    there = world(*events)
    assert calculate("average_online_members", there, *hour) == pytest.approx((2 + 7 + 5 + 2) / 60)
    assert calculate("peak_community_activity", there, *hour) == 2
    only_x = [
        calculate_where("average_online_members", there, *hour, "community", each) for each in ("x", "7")
    ]
    assert only_x == [pytest.approx((2 + 7 + 2) / 60), pytest.approx(5 / 60)]
    # The minute of half past twelve seconds into 12 has begun: 13 minutes, with b in 3 and c in 1 of them.
    soon = replace(there, now=START + 12 * MINUTE + timedelta(seconds=30))
    assert calculate("average_online_members", soon, *hour) == pytest.approx((2 + 3 + 1) / 13)
    assert calculate("average_online_members", replace(there, now=START), *hour) is None
    assert calculate("peak_community_activity", replace(there, now=START), *hour) is None


def created(*moments: datetime) -> list[EnrichedEvent]:
    return [made("event_created", f"h{n}", at) for n, at in enumerate(moments)]


def march(day: int, hour: float = 0) -> datetime:
    return datetime(2026, 3, 1, tzinfo=UTC) + (day - 1) * DAY + hour * HOUR


def february(day: int, hour: float = 0) -> datetime:
    return datetime(2026, 2, 1, tzinfo=UTC) + (day - 1) * DAY + hour * HOUR


def test_growth_compares_the_same_days_of_both_months() -> None:
    events = created(february(1), february(10, 23.9), february(11), february(28, 23))
    events += created(march(1), march(9), march(10, 23), march(31, 23))
    there = world(*events)
    assert calculate("event_creation_growth", there, march(10), march(11)) == (3 - 2) / 2
    # On the 31st the whole of February, and no more than it, counts.
    january = created(datetime(2026, 1, 31, tzinfo=UTC))
    all_of_it = replace(there, events=[*events, *january])
    assert calculate("event_creation_growth", all_of_it, march(31), march(32)) == (4 - 4) / 4
    assert calculate("event_creation_growth", there, march(31), march(32)) == 0
    assert calculate("event_creation_growth", there, february(10), february(11)) is None


def test_growth_of_an_unfinished_day_is_to_the_same_time() -> None:
    events = created(february(10, 11), february(10, 13), march(10, 9), march(10, 10), march(10, 11))
    there = world(*events)
    assert calculate("event_creation_growth", there, march(10, 11), march(10, 12)) == (3 - 1) / 1
    today = replace(there, now=march(10, 12))
    assert calculate("event_creation_growth", today, march(10), march(11)) == (3 - 1) / 1
    assert calculate("event_creation_growth", today, march(9), march(16)) == (3 - 1) / 1
    assert calculate("event_creation_growth", there, march(10), march(11)) == (3 - 2) / 2


def test_the_same_time_is_by_the_zones_clock() -> None:
    # New York's clocks went forward on the 8th of March: noon is 17:00 UTC before and 16:00 after.
    events = created(february(10, 16.5), february(10, 17.5), march(10, 15), march(10, 15.5))
    there = world(*events, zone=NEW_YORK)
    assert calculate("event_creation_growth", there, march(10, 15), march(10, 16)) == (2 - 1) / 1


def test_growth_of_revenue_and_users() -> None:
    events = [paid("a", 100, february(2)), paid("b", 50, february(3)), paid("c", 60, march(2))]
    assert calculate("revenue_growth", world(*events), march(10), march(11)) == pytest.approx(
        (60 - 150) / 150
    )
    assert calculate("mau_growth", world(*events), march(10), march(11)) == (1 - 2) / 2
    events.append(paid("a", 200, february(4), refund=True))
    assert calculate("revenue_growth", world(*events), march(10), march(11)) is None


def test_percentiles_and_means() -> None:
    def answered(*durations: Any) -> list[EnrichedEvent]:
        return [made("api_request", "u", START, {"duration_ms": each}) for each in durations]

    # floor(0.95 n): the last of 20 values (19.0) and of 19 (18.05), the last but one of 21 (19.95).
    assert of_day("slow_response_p95", *answered(*range(20, 0, -1))) == 20
    assert of_day("slow_response_p95", *answered(*range(19))) == 18
    assert of_day("slow_response_p95", *answered(*range(21))) == 19
    assert of_day("slow_response_p95", *answered(5)) == 5
    # floor(0.5 n): of an even number the upper one of the two in the middle.
    assert of_day("response_time_p50", *answered(*range(20))) == 10
    assert of_day("response_time_p50", *answered(*range(21))) == 10
    assert of_day("avg_response_time", *answered(1, 2.5, "3", None)) == 1.75
    assert of_day("page_load_p95", made("page_loaded", "u", START, {"load_ms": 7})) == 7


def test_ratios_of_events() -> None:
    payments = repeated(payment_failed=1, payment_succeeded=3, payment_disputed=2, payment_refunded=1)
    assert of_day("payment_failure_rate", *payments) == 1 / 4
    assert of_day("ticket_purchase_success", *payments) == 3 / 4
    assert of_day("chargeback_rate", *payments) == pytest.approx(2 / 3)
    assert of_day("refund_rate", *payments) is None
    assert of_day("refund_rate", *payments, *repeated(ticket_purchased=5)) == 1 / 5
    account = repeated(otp_failed=1, otp_verified=4, login_failed=3, user_logged_in=1, user_signed_up=2)
    assert of_day("otp_failure_rate", *account) == 1 / 5
    assert of_day("login_failure_rate", *account) == 3 / 4
    assert of_day("new_registrations", *account) == 2
    content = repeated(content_viewed=4, content_liked=3, content_commented=2, content_shared=1)
    assert of_day("content_views", *content) == 4
    assert of_day("content_interactions", *content) == 6
    assert of_day("engagement_rate", *content) == 1.5
    assert of_day("shares", *content) == 1
    results = repeated(search_result_clicked=1, search_result_shown=4, search_performed=2)
    assert of_day("click_through_rate", *results) == 1 / 4
    assert of_day("searches", *results) == 2
    shown = repeated(recommendation_clicked=1, recommendation_shown=5)
    assert of_day("recommendation_ctr", *shown) == 1 / 5
    communities = repeated(community_viewed=3, community_joined=2, event_created=1)
    assert of_day("community_views", *communities) == 3
    assert of_day("community_joins", *communities) == 2
    assert of_day("platform_events_created", *communities) == 1


def test_shares_of_events() -> None:
    events = [made("event_cancelled", "u", START, {"by": by}) for by in ("host", "platform", None)]
    events += repeated(event_published=6)
    assert of_day("host_cancellation_rate", *events) == pytest.approx(1 / 6)
    assert of_day("event_cancellation_rate", *events) == 3 / 6
    checked: list[dict[str, Any]] = [
        {"access_result": "blocked"},
        {"access_result": "allowed", "bypass": True},
        {"access_result": "blocked", "bypass": False},
        {"bypass": "true"},
    ]
    checks = [made("geo_access_checked", "u", START, each) for each in checked]
    assert of_day("geo_blocked_share", *checks) == 2 / 4
    assert of_day("geo_bypass_share", *checks) == 1 / 4
    requests = [made("api_request", "u", START, {"status": status}) for status in (200, 499, 500, "500")]
    assert of_day("error_rate", *requests) == 1 / 4


COUNTS = {
    *("dau", "wau", "mau", "total_users", "new_registrations", "sessions", "page_views", "unique_page_views"),
    *("revenue", "platform_events_created", "content_views", "content_interactions", "searches", "shares"),
    *("community_views", "community_joins", "api_requests"),
    *("average_online_members", "peak_community_activity"),
}


@pytest.mark.parametrize("name", METRICS)
def test_of_nothing_counts_are_0_and_ratios_null(name: str) -> None:
    assert of_day(name) == (0 if name in COUNTS else None)


def test_there_are_no_scores_of_churn() -> None:
    assert of_day("high_churn_share", *clicks("a", 0, 40)) is None


def test_a_dimension_is_the_events_own_value() -> None:
    events = [
        made("click", "a", START, {"device_type": "mobile", "$device_type": "Desktop"}),
        made("click", "b", START, {"$device_type": "mobile"}),
        made("click", "c", START, {"country": "DE", "utm_source": "mail"}),
        made("click", "d", START, {"campaign_source": "mail", "utm_source": "web", "community_id": 3}),
        made("search_performed", "d", START, {"country": "IN"}),
    ]
    there = world(*events)

    def dau(dimension: str, value: str) -> float | None:
        return calculate("dau", having(there, dimension, value), START, END)

    assert dau("device", "mobile") == 2
    assert dau("device", "Desktop") == 0
    assert dau("country", "DE") == 1
    assert dau("campaign", "mail") == 2
    assert dau("community", "3") == 1
    assert dau("event", "click") == 4
    assert calculate_where("searches", there, START, END, "country", "IN") == 1


def test_sessions_have_their_first_events_value() -> None:
    events = [made("$pageview", "a", START, {"country": "DE"}, session="s")]
    events.append(made("click", "a", START + 10 * MINUTE, {"country": "IN"}, session="s"))
    events.append(made("$pageview", "b", START, {"country": "IN"}))
    there = world(*events)

    def found(value: str) -> dict[str, float | None]:
        names = SESSION_METRICS
        return {name: calculate_where(name, there, START, END, "country", value) for name in names}

    german = {
        "sessions": 1,
        "sessions_per_user": 1,
        "avg_session_length": 10,
        "bounce_rate": 0,
        "crash_rate": 0,
    }
    assert found("DE") == german
    # Two persons were active in India, but only one of them began there.
    assert found("IN") == german | {"sessions_per_user": 1 / 2, "avg_session_length": 0, "bounce_rate": 1}
    nothing = dict.fromkeys(german)
    assert found("FR") == nothing | {"sessions": 0}


def test_metrics_of_platform_events_know_no_dimensions() -> None:
    with pytest.raises(ValueError, match="attendance_rate is not offered by dimension"):
        calculate_where("attendance_rate", world(), START, END, "country", "DE")
