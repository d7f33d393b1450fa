"""Profiles, windows and watermark of a partition, against a plain computation over the whole log."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopin_streams.enrich.job import EnrichJob, EnrichOptions
from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.windows.series import MAX_VALUES
from tests.metrics.plain_windows import WHOLE_AND_PART
from tests.streams import plain_state
from tests.streams.enrich.drafts import (
    GOOGLEBOT,
    OF_GOOGLEBOT_IN_BRITAIN,
    RECEIVED_MS,
    TOPIC_ID,
    RawRecord,
    body,
)
from tests.streams.enrich.ledger import Ledger, assert_plain, numbered, raw
from tests.streams.enrich.mmdb import write_mmdb
from tests.streams.plain_state import DAY, HOUR, MINUTE, Arrived, Happened, Series

NAMES = ["click", "message_sent", "ticket_purchased", "payment_refunded", "system_metric", "Ünknown"]
AMOUNTS = [
    1,
    19.99,
    "250.50",
    -3,
    0,
    1e308,
    "1_000",
    "０",
    "NaN",
    "1e3",
    True,
    None,
    10**30,
    "",
    [],
    -999_999_999,
]
CURRENCIES = ["INR", "inr", " eur ", "", None, "rupees", 5, "ＩＮＲ"]
COUNTRIES = ["IN", "DE", "", None, 5, "x" * 100, "x" * 101, "$other"]
TEXTS = ["I love this, it is great!", "Terrible, I hate it", "a chair", " ", 5]

properties = st.fixed_dictionaries(
    {},
    optional={
        "amount": st.sampled_from(AMOUNTS),
        "currency": st.sampled_from(CURRENCIES),
        "country": st.sampled_from(COUNTRIES),
        "$geoip_country_code": st.sampled_from(["FR", *COUNTRIES]),
        "review": st.sampled_from(TEXTS),
    },
)


def happened(ages: st.SearchStrategy[int], gaps: st.SearchStrategy[int]) -> st.SearchStrategy[list[Happened]]:
    """Logs of events that happened so long before they arrived, so long after each other.

    Many of them happened in one and the same minute.
    """
    often = st.sampled_from(["demo", "demo", "shop"]), st.sampled_from(["u1", "u1", "u2", "ü"])
    one = st.tuples(
        *often,
        st.sampled_from(NAMES),
        st.just(None) | ages,
        gaps,
        properties,
    )

    def placed(drawn: list[tuple[str, str, str, int | None, int, dict[str, Any]]]) -> list[Happened]:
        received, log = RECEIVED_MS, []
        for project, user, name, age, gap, more in drawn:
            received += gap
            at = RECEIVED_MS if age is None else received - age
            if name == "message_sent":
                # What has not the form of an id or a country would be words of the message.
                more = {key: value for key, value in more.items() if key == "review" or value in ("IN", "FR")}
            log.append(Happened(project, user, name, at, received, more))
        return log

    return st.lists(one, max_size=30).map(placed)


prompt = happened(st.integers(-20 * HOUR, 50 * MINUTE), st.integers(0, 10_000))
"""Logs of some minutes without an event that is late for anything."""

belated = happened(
    st.integers(-20 * HOUR, 5 * MINUTE) | st.integers(0, 5 * DAY) | st.sampled_from([HOUR, DAY, 700 * DAY]),
    st.integers(0, 1000) | st.sampled_from([MINUTE, HOUR, 7 * HOUR, 3 * DAY]),
)
"""Logs of months with pauses, and events that are late for some windows or all."""

cuts = st.sets(st.integers(0, 30))


def batches(log: Sequence[Happened], at: set[int]) -> list[list[RawRecord]]:
    """The log in runs that begin at these offsets."""
    found: list[list[RawRecord]] = [[]]
    for offset, event in enumerate(log):
        if offset in at and found[-1]:
            found.append([])
        found[-1].append(raw(offset, event))
    return [batch for batch in found if batch]


def judged(log: Sequence[Happened], runs: Sequence[Sequence[RawRecord]]) -> list[Happened]:
    """The log, each event with the watermark before its batch."""
    found: list[Happened] = []
    watermark: int | None = None
    for run in runs:
        here = [log[record.offset]._replace(watermark=watermark) for record in run]
        watermark = plain_state.moved_on(watermark, here)
        found += here
    return found


@settings(deadline=None)
@given(prompt, cuts, cuts)
def test_batches_and_restarts_change_nothing(log: list[Happened], at: set[int], restarts: set[int]) -> None:
    ledger = Ledger()
    absorber = ledger.open()
    for run in batches(log, at):
        if run[0].offset in restarts:
            absorber.close()
            absorber = ledger.open()
        ledger.absorb(absorber, run)
    ledger.publish(absorber)
    assert_plain(ledger, log)
    assert ledger.counts.late == {}
    assert ledger.marker.watermark == plain_state.moved_on(None, log)


@settings(deadline=None)
@given(prompt, st.randoms(use_true_random=False))
def test_the_order_of_events_changes_no_window(log: list[Happened], random: Any) -> None:
    # The same arrivals, each with another of the events.
    shuffled = [log[at]._replace(received=log[-1].received) for at in range(len(log))]
    random.shuffle(shuffled)
    found = []
    for events in (shuffled, shuffled[::-1]):
        ledger = Ledger()
        absorber = ledger.open()
        for run in batches(events, set(range(0, 30, 7))):
            ledger.absorb(absorber, run)
        ledger.publish(absorber)
        found.append(ledger.shares())
    assert found[0] == found[1]


@settings(deadline=None)
@given(belated, cuts, cuts)
def test_what_comes_too_late_for_a_window_is_left_out_of_it_and_marked(
    log: list[Happened], at: set[int], restarts: set[int]
) -> None:
    runs = batches(log, at)
    events = judged(log, runs)
    ledger = Ledger()
    absorber = ledger.open()
    for run in runs:
        if run[0].offset in restarts:
            absorber = ledger.open()
        ledger.clock.now += 0.3
        ledger.absorb(absorber, run)
    ledger.publish(absorber)
    assert_plain(ledger, events)
    expected = [plain_state.longest_missed(event) for event in events]
    found = [json.loads(value or b"") for _, value in ledger.topics.get("events.enriched", [])]
    assert [each.get("late") for each in found] == expected
    assert ledger.counts.late == {grain: expected.count(grain) for grain in {*expected} - {None}}
    assert ledger.marker.watermark == plain_state.moved_on(None, events)


def test_a_client_whose_clock_is_far_behind_holds_no_window_open() -> None:
    ledger = Ledger()
    absorber = ledger.open()
    arrivals = [RECEIVED_MS + minute * MINUTE for minute in range(0, 8 * 60, 10)]
    log = [Happened("demo", "u1", "click", at - 30 * DAY, at, {}) for at in arrivals]
    for run in batches(log, set(range(len(log)))):
        ledger.absorb(absorber, run)
    assert ledger.marker.watermark == arrivals[-1] - HOUR - MINUTE
    # By its arrival, every event is late for every window.
    assert ledger.counts.late == {"day": len(log)}
    # What stays are the counts of records by their arrival, until those windows are gone.
    kept = {
        (grain, at - at % size)
        for grain, (size, _) in plain_state.GRAINS.items()
        for at in arrivals
        if not plain_state.gone(grain, at, arrivals[-1] - HOUR - MINUTE)
    }
    assert absorber.holds()["windows"] == len(kept)


@pytest.mark.parametrize("at", [set(), {2}, {1, 2, 3, 4}])
def test_sum_least_and_greatest_of_one_batch_or_several(at: set[int]) -> None:
    amounts = [5, -7.25, "19.99", 0, 3]
    log = [
        Happened("demo", "u1", "ticket_purchased", RECEIVED_MS, RECEIVED_MS, {"amount": amount})
        for amount in amounts
    ]
    ledger = Ledger()
    absorber = ledger.open()
    for run in batches(log, at):
        ledger.absorb(absorber, run)
    ledger.publish(absorber)
    assert_plain(ledger, log)
    day = RECEIVED_MS - RECEIVED_MS % DAY
    whole = ledger.shares()[Series("demo", "day", day, "revenue")]
    assert whole == (5, 20_740_000, -7_250_000, 19_990_000)


def test_of_two_events_of_one_minute_in_one_batch_only_the_late_one_is_left_out() -> None:
    log = [
        Happened("demo", "u1", "click", RECEIVED_MS, received)
        for received in (RECEIVED_MS, RECEIVED_MS + 2 * HOUR)
    ]
    ledger = Ledger()
    absorber = ledger.open()
    ledger.absorb(absorber, [raw(at, event) for at, event in enumerate(log)])
    ledger.publish(absorber)
    assert_plain(ledger, log)
    assert ledger.counts.late == {"minute": 1}
    minute = RECEIVED_MS - RECEIVED_MS % MINUTE
    hour = RECEIVED_MS - RECEIVED_MS % HOUR
    assert ledger.shares()[Series("demo", "minute", minute, "events")].number == 1
    assert ledger.shares()[Series("demo", "hour", hour, "events")].number == 2


@settings(deadline=None, max_examples=50)
@given(belated, cuts)
def test_a_restored_state_is_the_state(log: list[Happened], at: set[int]) -> None:
    ledger = Ledger()
    absorber = ledger.open()
    for run in batches(log, at):
        ledger.absorb(absorber, run)
    other = ledger.open()
    one, another = absorber.context, other.context
    assert one.windows.watermark == another.windows.watermark
    for windows in (one.windows, another.windows):
        list(windows.publish())
    keys = list(ledger.newest("profiles"))
    assert one.profiles.load(keys) == another.profiles.load(keys)
    assert len(one.profiles) == len(another.profiles) == len(keys)
    assert other.holds() == absorber.holds()
    # And whatever comes next has the same effect on both.
    probe = [raw(1000 + number, event) for number, event in enumerate(log)]
    assert absorber.absorb(probe, 2000).messages == other.absorb(probe, 2000).messages


def test_a_batch_that_fails_to_commit_can_be_absorbed_anew() -> None:
    log = [Happened("demo", f"u{at % 3}", "click", RECEIVED_MS, RECEIVED_MS) for at in range(9)]
    records = [raw(at, event) for at, event in enumerate(log)]
    ledger = Ledger()
    ledger.open().absorb(records, 9)
    absorber = ledger.open()
    ledger.absorb(absorber, records)
    ledger.publish(absorber)
    assert_plain(ledger, log)


def test_a_history_that_lost_profiles_is_refused() -> None:
    ledger = Ledger()
    absorber = ledger.open()
    for at in range(3):
        ledger.absorb(absorber, [raw(at, Happened("demo", f"u{at}", "click", RECEIVED_MS, RECEIVED_MS))])
    ledger.topics["profiles"].pop()
    with pytest.raises(
        RefusedToOpen, match=r"holds 2 profiles and should hold 3.*loopin state rebuild"
    ) as refusal:
        ledger.open()
    assert refusal.value.code == "state_incomplete"


# Whom windows count.


def users(ledger: Ledger, dimension: str = "", value: str = "") -> int:
    day = RECEIVED_MS - RECEIVED_MS % DAY
    return ledger.shares()[Series("demo", "day", day, "active_users", dimension, value)].number


def test_a_user_counts_once_in_each_series_however_the_events_are_spread() -> None:
    ledger = Ledger()
    absorber = ledger.open()
    offset = 0
    for restart in (False, True, False):
        absorber = ledger.open() if restart else absorber
        for name in ("click", "message_sent", "click"):
            events = [Happened("demo", f"u{at}", name, RECEIVED_MS, RECEIVED_MS) for at in range(5)]
            ledger.absorb(absorber, [raw(offset + at, event) for at, event in enumerate(events)])
            offset += 5
    ledger.publish(absorber)
    assert users(ledger) == users(ledger, "event", "click") == users(ledger, "event", "message_sent") == 5


def test_the_systems_own_events_make_nobody_active() -> None:
    ledger = Ledger()
    absorber = ledger.open()
    names = ("api_request", "system_metric", "error_logged")
    events = [Happened("demo", "server", name, RECEIVED_MS, RECEIVED_MS) for name in names]
    ledger.absorb(absorber, [raw(at, event) for at, event in enumerate(events)])
    ledger.publish(absorber)
    assert not any(series.metric == "active_users" for series in ledger.shares())
    assert_plain(ledger, events)


@pytest.mark.parametrize("restart", [False, True])
def test_too_many_values_of_a_dimension_are_counted_as_one_and_totals_stay_exact(restart: bool) -> None:
    values = MAX_VALUES + 40
    log = [
        Happened("demo", f"u{user}", "click", RECEIVED_MS, RECEIVED_MS, {"country": f"c{at}"})
        for user in range(3)
        for at in range(user, values)
    ]
    ledger = Ledger()
    absorber = ledger.open()
    for run in batches(log, {0, 400, 700}):
        absorber = ledger.open() if restart else absorber
        ledger.absorb(absorber, run)
    ledger.publish(absorber)
    shares = ledger.shares()
    for grain in ("minute", "hour", "day"):
        cells = {
            series.value: numbers.number
            for series, numbers in shares.items()
            if (series.metric, series.dimension, series.grain) == ("events", "country", grain)
        }
        assert len(cells) == MAX_VALUES + 1
        assert sum(cells.values()) == len(log)
        assert cells == {f"c{at}": min(at, 2) + 1 for at in range(MAX_VALUES)} | {"$other": 40 * 3}
    assert users(ledger) == 3
    assert users(ledger, "country", "$other") == 3, "each of them once"


def test_nor_do_they_with_the_metrics_of_the_catalogue() -> None:
    """Those are by country, too; each has as much room as it takes to name all there are."""
    longest = '\U0001f3ab"' * 40
    names = [*WHOLE_AND_PART, "event_reviewed", "feedback_submitted", "a name of one's own"]
    properties = {"review": "I love it", "rating": 5, "duration_ms": 12.5, "amount": 5}
    log = [
        Happened("demo", "u1", name, RECEIVED_MS, RECEIVED_MS, properties | {"country": f"{at}{longest}"[:n]})
        for name in names
        for n in (100, 6)
        for at in range(300)
    ]
    ledger = Ledger()
    absorber = ledger.open()
    ledger.absorb(absorber, [raw(at, event) for at, event in enumerate(log)])
    ledger.publish(absorber)
    records = [*ledger.topics.values(), *ledger.routed.values()]
    assert max(len(value or b"") for each in records for _, value in each) < 900_000
    day = RECEIVED_MS - RECEIVED_MS % DAY
    shares = ledger.shares()
    assert shares[Series("demo", "day", day, "payment_failure_rate")].number == 2 * 600
    assert shares[Series("demo", "day", day, "payment_failure_rate", "country", "$other")].number > 600


def test_no_names_make_a_record_that_the_broker_would_refuse() -> None:
    longest = '\U0001f3ab"' * 100
    log = [
        Happened(
            "demo",
            "u1",
            f"{at}{longest}"[:200],
            RECEIVED_MS,
            RECEIVED_MS,
            {"country": f"{at}{longest}"[:100], "review": "I love it", "amount": 5},
        )
        for at in range(700)
    ]
    ledger = Ledger()
    absorber = ledger.open()
    ledger.absorb(absorber, [raw(at, event) for at, event in enumerate(log)])
    ledger.publish(absorber)
    sizes = [
        len(value or b"")
        for records in (*ledger.topics.values(), *ledger.routed.values())
        for _, value in records
    ]
    assert max(sizes) < 900_000
    day = RECEIVED_MS - RECEIVED_MS % DAY
    assert ledger.shares()[Series("demo", "day", day, "events")].number == 700
    by_name = [
        numbers.number
        for series, numbers in ledger.shares().items()
        if series[1:5] == ("day", day, "events", "event")
    ]
    assert sum(by_name) == 700


# Records that do not pass.


def test_what_arrives_and_what_is_refused_is_counted_by_project_and_reason() -> None:
    bodies = [
        *(body(uuid=numbered(at)) for at in range(3)),
        body(uuid=numbered(0)),
        b"broken",
        body(distinct_id="null"),
        b'{"project": "shop", "event": 5}',
        b'{"project": "a b", "event": 5}',
    ]
    ledger = Ledger()
    absorber = ledger.open()
    ledger.absorb(absorber, [RawRecord(value, at) for at, value in enumerate(bodies)])
    ledger.publish(absorber)
    reasons = ["distinct_id_forbidden", "not_json", "wrong_type", "wrong_type"]
    refused = [
        Arrived("", RECEIVED_MS, "not_json"),
        Arrived("demo", RECEIVED_MS, "distinct_id_forbidden"),
        Arrived("shop", RECEIVED_MS, "wrong_type"),
        Arrived("", RECEIVED_MS, "wrong_type"),
        Arrived("demo", RECEIVED_MS),  # The duplicate.
    ]
    events = [Happened("demo", "u1", "click", RECEIVED_MS, RECEIVED_MS)] * 3
    assert_plain(ledger, events, refused)
    assert ledger.counts.dropped == {"duplicate": 1}
    assert ledger.counts.dead_lettered == {reason: reasons.count(reason) for reason in reasons}


def test_a_misplaced_record_goes_to_its_users_partition_and_leaves_no_trace_here() -> None:
    ledger = Ledger(partition=4, partitions=7)
    absorber = ledger.open()
    output = ledger.absorb(absorber, [RawRecord(body())])
    assert output.counts.dropped == {"moved": 1}
    [(key, value)] = output.routed["events.raw", 3]
    assert key == b"demo:u1"
    assert value is not None
    assert not {"events.enriched", "profiles", "seen", "events.dlq"} & output.messages.keys()

    home = Ledger(partition=3, partitions=7)
    there = home.open()
    assert home.absorb(there, [RawRecord(value, key=key)]).counts.passed == 1
    assert list(home.profiles()) == ["demo:u1"]


# Publishing.


def test_every_series_goes_to_one_partition_of_the_merge_whichever_partition_it_comes_from() -> None:
    targets: dict[tuple[str, ...], set[int]] = {}
    for partition in range(3):
        ledger = Ledger(partition=partition, partitions=3)
        absorber = ledger.open()
        for at in range(60):
            event = Happened(
                "demo", f"u{at}", f"e{at % 9}", RECEIVED_MS, RECEIVED_MS, {"country": f"c{at % 9}"}
            )
            ledger.absorb(absorber, [raw(at, event)])
        ledger.publish(absorber)
        for target in range(3):
            for partials in ledger.partials(target):
                assert partials["partition"] == partition
                for series, _ in plain_state.shares_in(partials.get("windows", [])):
                    about = (series.project, series.metric, series.dimension, series.value)
                    targets.setdefault(about, set()).add(target)
    assert all(len(found) == 1 for found in targets.values())
    assert len({target for found in targets.values() for target in found}) == 3, "they are spread"
    operational = {about: found for about, found in targets.items() if about[1].startswith("records_")}
    assert len({target for found in operational.values() for target in found}) == 1


def click(offset: int, *, at: int = RECEIVED_MS, received: int = RECEIVED_MS) -> RawRecord:
    return raw(offset, Happened("demo", "u1", "click", at, received))


def test_changed_windows_are_published_at_most_once_a_second() -> None:
    ledger = Ledger()
    absorber = ledger.open()
    ledger.absorb(absorber, [click(0)])
    assert len(ledger.partials(0)) == 1, "the watermark has reached its first minute"
    for offset in range(1, 5):
        ledger.clock.now += 0.2
        ledger.absorb(absorber, [click(offset)])
        assert ledger.idle(absorber) is None
    assert len(ledger.partials(0)) == 1
    ledger.clock.now += 0.3
    ledger.absorb(absorber, [click(5)])
    assert [partials["position"] for partials in ledger.partials(0)] == [1, 6]
    ledger.clock.now += 60
    assert ledger.idle(absorber) is None, "nothing changed since"


def test_without_real_time_changed_windows_are_published_when_a_minute_is_over() -> None:
    ledger = Ledger(real_time=False)
    absorber = ledger.open()
    events = [Happened("demo", "u1", "click", RECEIVED_MS + at, RECEIVED_MS + at) for at in (0, 1, 2)]
    for offset, event in enumerate(events):
        ledger.clock.now += 60
        ledger.absorb(absorber, [raw(offset, event)])
        assert ledger.idle(absorber) is None
    assert len(ledger.partials(0)) == 1, "the watermark has reached its first minute"
    assert ledger.idle(absorber, RECEIVED_MS + MINUTE) is not None
    assert [partials["position"] for partials in ledger.partials(0)] == [1, 3]
    assert_plain(ledger, events)


def test_what_waits_is_published_when_nothing_more_arrives() -> None:
    ledger = Ledger()
    absorber = ledger.open()
    for offset in (0, 1):
        ledger.absorb(absorber, [click(offset)])
    ledger.clock.now += 1
    assert ledger.idle(absorber) is not None
    assert [partials["position"] for partials in ledger.partials(0)] == [1, 2]
    assert ledger.marker.position == 2


def test_all_open_windows_are_published_anew_after_a_restart() -> None:
    ledger = Ledger()
    absorber = ledger.open()
    ledger.absorb(absorber, [click(0)])
    ledger.absorb(absorber, [click(1)])
    again = ledger.open()
    ledger.publish(again)
    assert_plain(ledger, [Happened("demo", "u1", "click", RECEIVED_MS, RECEIVED_MS)] * 2)


def test_only_windows_that_changed_go_to_the_state_topic() -> None:
    ledger = Ledger()
    absorber = ledger.open()
    first = ledger.absorb(absorber, [click(0)])
    second = ledger.absorb(absorber, [click(1, at=RECEIVED_MS - 10 * MINUTE)])
    minute = RECEIVED_MS - RECEIVED_MS % MINUTE
    changed = [{key for key, _ in output.messages["enrich.state"]} for output in (first, second)]
    assert b"w:demo:minute:%d" % minute in changed[0]
    assert b"w:demo:minute:%d" % (minute - 10 * MINUTE) in changed[1]
    assert ledger.absorb(absorber, []).messages == {}


# The watermark at rest.


def test_at_the_logs_end_the_watermark_follows_the_clock_in_steps_of_a_minute() -> None:
    ledger = Ledger()
    absorber = ledger.open()
    ledger.absorb(absorber, [click(0)])
    behind = RECEIVED_MS - MINUTE
    assert ledger.marker.watermark == behind
    into = behind % MINUTE
    assert ledger.idle(absorber, RECEIVED_MS + MINUTE - into - 1) is None
    assert ledger.idle(absorber, RECEIVED_MS + MINUTE - into) is not None
    assert ledger.marker.watermark == behind + MINUTE - into
    assert ledger.idle(absorber, RECEIVED_MS + MINUTE - into + 5) is None
    assert ledger.idle(absorber, RECEIVED_MS + 100 * MINUTE + 7) is not None
    assert ledger.marker.watermark == behind + 100 * MINUTE + 7
    assert [partials["watermark"] for partials in ledger.partials(0)][1:] == [
        behind + MINUTE - into,
        behind + 100 * MINUTE + 7,
    ]


def test_an_empty_partition_gets_a_watermark_too() -> None:
    ledger = Ledger(partition=1, partitions=3)
    absorber = ledger.open()
    assert ledger.idle(absorber, None) is None
    assert ledger.idle(absorber, RECEIVED_MS) is not None
    assert ledger.marker.watermark == RECEIVED_MS - MINUTE
    assert [len(ledger.partials(target)) for target in range(3)] == [1, 1, 1], "for every merge partition"


def test_while_more_waits_or_nobody_knows_the_watermark_stands_still() -> None:
    ledger = Ledger()
    absorber = ledger.open()
    ledger.absorb(absorber, [click(0)])
    for _ in range(3):
        ledger.clock.now += 3600
        ledger.idle(absorber, None)
        ledger.absorb(absorber, [])
    assert ledger.marker.watermark == RECEIVED_MS - MINUTE


def test_a_clock_that_goes_back_does_not_move_the_watermark_back() -> None:
    ledger = Ledger()
    absorber = ledger.open()
    ledger.idle(absorber, RECEIVED_MS)
    assert ledger.idle(absorber, RECEIVED_MS - 5 * HOUR) is None
    ledger.absorb(absorber, [click(0, received=RECEIVED_MS - 5 * HOUR, at=RECEIVED_MS - 5 * HOUR)])
    assert ledger.marker.watermark == RECEIVED_MS - MINUTE


def test_one_client_whose_clock_runs_ahead_closes_nothing() -> None:
    ledger = Ledger()
    absorber = ledger.open()
    ledger.absorb(absorber, [click(0, at=RECEIVED_MS + 23 * HOUR)])
    assert ledger.marker.watermark == RECEIVED_MS - MINUTE
    ledger.absorb(absorber, [click(1)])
    assert ledger.counts.late == {}


def test_a_partition_of_nothing_but_refused_or_repeated_records_does_not_hold_the_watermark() -> None:
    ledger = Ledger()
    absorber = ledger.open()
    ledger.absorb(absorber, [RawRecord(b"broken", 0, RECEIVED_MS)])
    assert ledger.marker.watermark == RECEIVED_MS - MINUTE
    ledger.absorb(absorber, [click(1, at=RECEIVED_MS), RawRecord(b"broken", 2, RECEIVED_MS + HOUR)])
    assert ledger.marker.watermark == RECEIVED_MS - MINUTE, "a good event tells the time"
    again = RawRecord(click(1, at=RECEIVED_MS).value, 3, RECEIVED_MS + 2 * HOUR)
    ledger.absorb(absorber, [again, RawRecord(b"", 4, RECEIVED_MS + 2 * HOUR - 1)])
    assert ledger.counts.dropped == {"duplicate": 1}
    assert ledger.marker.watermark == RECEIVED_MS + 2 * HOUR - MINUTE


def test_windows_that_are_gone_leave_memory_and_state_but_not_before_they_are_published() -> None:
    ledger = Ledger()
    absorber = ledger.open()
    events = [Happened("demo", "u1", "click", RECEIVED_MS, RECEIVED_MS) for _ in range(3)]
    for at, event in enumerate(events):
        ledger.absorb(absorber, [raw(at, event)])
    assert len(absorber.context.windows) == 3
    for passed, left in ((HOUR + 3 * MINUTE, 2), (8 * HOUR, 1), (3 * DAY, 0)):
        ledger.idle(absorber, RECEIVED_MS + passed)
        assert len(absorber.context.windows) == left
        assert sum(key.startswith(b"w") for key in ledger.newest("enrich.state")) == left
        assert_plain(ledger, events)
    assert absorber.holds()["series"] == 0


def test_events_that_are_late_for_all_windows_leave_nothing_in_memory() -> None:
    ledger = Ledger()
    absorber = ledger.open()
    log = [
        Happened("demo", f"u{at}", f"e{at}", RECEIVED_MS - at * 30 * DAY, RECEIVED_MS) for at in range(1, 60)
    ]
    ledger.absorb(absorber, [raw(at, event) for at, event in enumerate(log)])
    ledger.publish(absorber)
    assert ledger.counts.late == {"day": 59}
    assert len(ledger.profiles()) == 59
    assert {series.metric for series in ledger.shares()} == {"records_received"}
    assert len(absorber.context.windows._days) <= 1, "nor do the days of which nothing is counted"


def test_a_whole_event_is_enriched_and_no_address_survives(tmp_path: Path) -> None:
    """From the raw record to what is stored, and to the dead letter where it is refused."""
    place = {"country": {"iso_code": "GB", "names": {"en": "United Kingdom"}}}
    geoip = write_mmdb(tmp_path / "geo.mmdb", {"81.2.69.0/24": place})
    absorber = EnrichJob(EnrichOptions("loopin.", 1, geoip_db=geoip)).open(0, TOPIC_ID)
    properties = {
        "$ip": "81.2.69.142",
        "$raw_user_agent": GOOGLEBOT,
        "$current_url": "https://x.test/?email=joe%40example.com&utm_source=a",
        "$set": {"last_ip": "81.2.69.142", "email": "joe@example.com"},
    }
    good, bad = body(properties=properties), body(properties=properties, distinct_id="null")
    output = absorber.absorb([RawRecord(good, 0), RawRecord(bad, 1)], 2)
    [(_, passed)] = output.messages["events.enriched"]
    [(_, letter)] = output.messages["events.dlq"]
    stored = json.loads(passed or b"")["properties"]
    assert stored == {
        "$raw_user_agent": properties["$raw_user_agent"],
        "$current_url": "https://x.test/?email=[email]&utm_source=a",
        "$set": {"email": "[email]"},
        **OF_GOOGLEBOT_IN_BRITAIN,
    }
    for kept in (passed or b"", base64.b64decode(json.loads(letter or b"")["body"])):
        assert b"81.2.69.142" not in kept
        assert b"joe@" not in kept


def test_who_is_left_out_is_counted_by_reason() -> None:
    options = EnrichOptions("loopin.", 1, track_anonymous_users=False, sampling_rate=0.5)
    absorber = EnrichJob(options).open(0, TOPIC_ID)
    users = [
        body(uuid=None, distinct_id=f"u{n}", properties={"$is_identified": n % 2 == 0}) for n in range(40)
    ]
    output = absorber.absorb([RawRecord(value, offset) for offset, value in enumerate(users)], 40)
    sampled = output.counts.dropped["sampled"]
    assert output.counts.dropped == {"anonymous": 20, "sampled": sampled}
    assert output.counts.passed == 20 - sampled
    assert 0 < sampled < 20


# Users' turns.


def told(ledger: Ledger, target: str) -> list[bool]:
    examples = (json.loads(value or b"") for _, value in ledger.routed.get(("examples", 0), []))
    return [each["outcome"] for each in examples if each["target"] == target]


def test_a_pause_within_an_import_loses_nobody() -> None:
    """Users who come each day, of the last 120; they are read in 60 minutes, with a pause of some seconds."""
    ledger = Ledger()
    absorber = ledger.open()
    ledger.idle(absorber, RECEIVED_MS)
    offset = 0
    for day in range(120):
        at, received = RECEIVED_MS + (day - 120) * DAY, RECEIVED_MS + day * MINUTE // 2
        log = [Happened("demo", f"u{user}", "message_sent", at, received, {}) for user in range(60)]
        ledger.absorb(absorber, [raw(offset + number, event) for number, event in enumerate(log)])
        offset += len(log)
        if day == 79:
            for second in range(1, 4):
                ledger.idle(absorber, received + 1000 * second)
                absorber = ledger.open()
    assert not any(told(ledger, "churn"))
    for minute in range(60, 200):
        ledger.idle(absorber, RECEIVED_MS + minute * MINUTE)
    # A prediction a week whose 30 days are over.
    assert len(told(ledger, "churn")) >= 60 * ((120 - 31) // 7 - 2)
    assert not any(told(ledger, "churn"))


def test_those_who_left_long_ago_are_not_published_each_day() -> None:
    ledger = Ledger()
    absorber = ledger.open()
    log = [
        Happened("demo", "u1", "message_sent", at, at, {}) for at in (RECEIVED_MS + n * DAY for n in range(4))
    ]
    ledger.absorb(absorber, [raw(offset, event) for offset, event in enumerate(log)])

    def published(first: int, days: int) -> int:
        before = len(ledger.topics["profiles"])
        for hour in range(24 * first, 24 * (first + days)):
            ledger.idle(absorber, RECEIVED_MS + 4 * DAY + hour * HOUR)
        return len(ledger.topics["profiles"]) - before

    assert published(0, 28) >= 28, "scores change"
    published(28, 52)  # until what was predicted has come or not
    # When the next prediction would be due is still noted, once a week.
    assert published(80, 28) <= 5
