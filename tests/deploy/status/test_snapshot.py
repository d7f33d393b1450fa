"""What a role's metrics say, read from an exposition that is written out here."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from loopin_deploy.status.measures import Measure
from loopin_deploy.status.snapshot import ConsumerStatus, RoleStatus, Snapshot, compared, read_exposition

WORKER = """\
# TYPE loopin_events_read_total counter
loopin_events_read_total{consumer="enrich",partition="0"} 60.0
loopin_events_read_total{consumer="enrich",partition="1"} 40.0
loopin_events_read_total{consumer="merge",partition="0"} 7.0
# TYPE loopin_events_passed_total counter
loopin_events_passed_total{consumer="enrich",partition="0"} 50.0
loopin_events_passed_total{consumer="enrich",partition="1"} 35.0
loopin_events_passed_total{consumer="merge",partition="0"} 7.0
# TYPE loopin_events_dropped_total counter
loopin_events_dropped_total{consumer="enrich",partition="0",reason="duplicate"} 6.0
loopin_events_dropped_total{consumer="enrich",partition="1",reason="duplicate"} 4.0
# TYPE loopin_events_dead_lettered_total counter
loopin_events_dead_lettered_total{consumer="enrich",partition="0",reason="not_json"} 4.0
loopin_events_dead_lettered_total{consumer="enrich",partition="1",reason="uuid_invalid"} 1.0
# TYPE loopin_events_late_total counter
loopin_events_late_total{consumer="enrich",partition="1",window="day"} 2.0
# TYPE loopin_partitions_open gauge
loopin_partitions_open{consumer="enrich"} 2.0
loopin_partitions_open{consumer="merge"} 2.0
# TYPE loopin_watermark_delay_seconds gauge
loopin_watermark_delay_seconds{consumer="enrich"} 61.5
# TYPE loopin_state_entries gauge
loopin_state_entries{consumer="enrich",kind="profiles"} 12.0
loopin_state_entries{consumer="merge",kind="series"} 3.0
# TYPE loopin_consumer_lag_events gauge
loopin_consumer_lag_events{consumer="enrich"} 9.0
# TYPE loopin_consumer_lag_seconds gauge
loopin_consumer_lag_seconds{consumer="enrich"} 0.25
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 1.048576e+08
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 12.5
# TYPE loopin_role_info gauge
loopin_role_info{role="stream",version="1.2.3"} 1.0
"""

STORE = """\
# TYPE loopin_sink_records_read_total counter
loopin_sink_records_read_total{table="events"} 85.0
loopin_sink_records_read_total{table="metric_windows"} 20.0
# TYPE loopin_sink_rows_total counter
loopin_sink_rows_total{table="events"} 84.0
loopin_sink_rows_total{table="metric_windows"} 11.0
# TYPE loopin_sink_unreadable_total counter
loopin_sink_unreadable_total{table="events"} 1.0
loopin_sink_unreadable_total{table="metric_windows"} 0.0
# TYPE loopin_consumer_lag_events gauge
loopin_consumer_lag_events{consumer="events"} 3.0
# TYPE loopin_freshness_seconds gauge
loopin_freshness_seconds 1.5
# TYPE loopin_api_events_accepted_total counter
loopin_api_events_accepted_total 5.0
# TYPE loopin_api_events_unacknowledged_total counter
loopin_api_events_unacknowledged_total 2.0
# TYPE loopin_role_info gauge
loopin_role_info{role="store",version="1.2.3"} 1.0
"""


def read(text: str) -> RoleStatus:
    status = RoleStatus("?", "http://a:1", answers=True, ready=True)
    read_exposition(text, status)
    return status


def test_a_workers_numbers_are_summed_over_its_partitions() -> None:
    status = read(WORKER)
    assert (status.role, status.version) == ("stream", "1.2.3")
    assert (status.memory_bytes, status.cpu_s, status.freshness_s) == (100 << 20, 12.5, None)
    enrich, merge = status.consumers
    assert enrich == ConsumerStatus(
        "enrich",
        read=100,
        passed=85,
        dropped={"duplicate": 10},
        dead_lettered={"not_json": 4, "uuid_invalid": 1},
        late={"day": 2},
        lag_events=9,
        lag_s=0.25,
        watermark_delay_s=61.5,
        held={"profiles": 12},
    )
    assert (merge.consumer, merge.read, merge.lag_events, merge.held) == ("merge", 7, None, {"series": 3})


def test_a_store_has_its_sinks_and_its_api() -> None:
    status = read(STORE)
    assert (status.role, status.freshness_s, status.memory_bytes) == ("store", 1.5, None)
    assert status.consumers == [
        ConsumerStatus("events", read=85, passed=84, dead_lettered={"unreadable": 1}, lag_events=3),
        ConsumerStatus("metric_windows", read=20, passed=11),
        ConsumerStatus("api", read=7, passed=5),
    ]


def test_an_unreadable_window_is_left_out_for_it_has_no_dead_letters() -> None:
    told = 'loopin_sink_unreadable_total{table="metric_windows"}'
    events, windows, _ = read(STORE.replace(f"{told} 0.0", f"{told} 2.0")).consumers
    assert (windows.dropped, windows.dead_lettered) == ({"unreadable": 2}, {})
    assert (events.dropped, events.dead_lettered) == ({}, {"unreadable": 1})


@pytest.mark.parametrize(("failing", "told"), [("0.0", False), ("1.0", True)])
def test_a_store_tells_of_its_repairs(failing: str, told: bool) -> None:
    status = read(STORE + f"loopin_repairs_pending 12.0\nloopin_repairs_failing {failing}\n")
    assert (status.repairs_pending, status.repairs_failing) == (12, told)
    assert (read(STORE).repairs_pending, read(STORE).repairs_failing) == (None, False)


BOUNDS = (0.01, 0.1, 1.0)


def inserts(seconds: Sequence[float], table: str = "events") -> Measure:
    """What is read of a real histogram that has observed these, beside one of another table."""
    registry = CollectorRegistry()
    histogram = Histogram(
        "loopin_insert_duration_seconds", "Help.", ["table"], buckets=BOUNDS, registry=registry
    )
    histogram.labels("other").observe(0.5)
    for value in seconds:
        histogram.labels(table).observe(value)
    told = f'loopin_sink_records_read_total{{table="{table}"}} 1.0\n'
    (one,) = read(generate_latest(registry).decode() + told).consumers
    assert one.insert_s is not None
    return one.insert_s


def test_a_histogram_gives_its_mean_and_where_all_but_a_hundredth_lie() -> None:
    measure = inserts([0.004] * 60 + [0.05] * 36 + [0.4] * 4)
    assert (measure.number, measure.total) == pytest.approx((100, 0.24 + 1.8 + 1.6))
    assert measure.buckets == [(0.01, 60), (0.1, 96), (1.0, 100)]
    assert measure.mean == pytest.approx(0.0364)
    # The 99th is the third of the four between 0.1 and 1.
    assert measure.p99 == pytest.approx(0.1 + 0.9 * 3 / 4)


def test_what_took_longer_than_the_last_bound_counts_as_the_bound() -> None:
    assert inserts([5.0, 7.0]).p99 == 1.0
    assert inserts([5.0, 7.0]).mean == 6.0


def test_means_are_of_what_came_since_the_snapshot_before() -> None:
    slow, fast = [0.4] * 10, [0.02] * 30
    now = inserts(fast + slow)
    now.since(inserts(fast))
    assert now.mean == pytest.approx(0.4)
    # Ten lie between 0.1 and 1.
    assert now.p99 == pytest.approx(0.1 + 0.9 * 0.99)
    assert (now.number, now.total) == pytest.approx((40, 4.6))

    later = inserts(fast + slow)
    later.since(now)
    assert (later.mean, later.p99) == (now.mean, now.p99), "nothing came since, so it is what it was"

    again = inserts([0.2])
    again.since(later)
    assert again.mean == pytest.approx(0.2), "a process that was started again has all of it anew"


def test_a_histogram_without_observations_has_no_mean() -> None:
    text = 'loopin_sink_records_read_total{table="events"} 1.0\n'
    text += 'loopin_insert_duration_seconds_bucket{le="+Inf",table="events"} 0.0\n'
    for part in ("count", "sum"):
        text += f'loopin_insert_duration_seconds_{part}{{table="events"}} 0.0\n'
    (one,) = read(text).consumers
    assert one.insert_s == Measure(0, 0.0)
    assert one.insert_rows is None


def batches(consumer: str, number: int, records: float, seconds: float) -> str:
    return "".join(
        f'{name}_{part}{{consumer="{consumer}"}} {value}\n'
        for name, total in (("loopin_batch_events", records), ("loopin_batch_duration_seconds", seconds))
        for part, value in (("count", number), ("sum", total))
    )


def steps(**costs: tuple[float, int]) -> str:
    return "".join(
        f'loopin_step_cpu_seconds_total{{step="{step}"}} {spent}\n'
        f'loopin_step_events_total{{step="{step}"}} {events}\n'
        for step, (spent, events) in costs.items()
    )


def test_batches_and_steps_are_told_of_the_time_between_two_snapshots() -> None:
    first = WORKER + batches("enrich", 10, 1000, 2.0) + batches("merge", 5, 20, 0.05)
    first += steps(decode=(0.5, 1000), sentiment=(0.09, 900), idle=(0.0, 0))
    second = WORKER + batches("enrich", 14, 3000, 2.2) + batches("merge", 5, 20, 0.05)
    second += steps(decode=(0.52, 3000), sentiment=(0.19, 2900), idle=(0.0, 0))
    before, role = Snapshot(10.0, [read(first)]), read(second)

    def means(one: ConsumerStatus) -> tuple[float | None, ...]:
        assert one.batch_events is not None
        assert one.batch_s is not None
        return one.batch_events.mean, one.batch_s.mean

    def costs(role: RoleStatus) -> list[float | None]:
        known = [step.us_per_event for step in role.steps.values()]
        return [None if cost is None else round(cost, 6) for cost in known]

    assert means(before.roles[0].consumers[0]) == pytest.approx((100, 0.2))
    sums = {name: (step.cpu_s, step.events) for name, step in before.roles[0].steps.items()}
    assert sums == {"decode": (0.5, 1000), "sentiment": (0.09, 900), "idle": (0.0, 0)}
    assert costs(before.roles[0]) == [500, 100, None]
    (now,) = compared(Snapshot(11.0, [role]), before).roles
    assert means(now.consumers[0]) == pytest.approx((500, 0.05))
    assert means(now.consumers[1]) == pytest.approx((4, 0.01)), "it has done nothing since"
    assert list(now.steps) == ["decode", "sentiment", "idle"]
    assert costs(now) == [10, 50, None]

    (rest,) = compared(Snapshot(12.0, [read(second)]), Snapshot(11.0, [now])).roles
    assert means(rest.consumers[0]) == means(now.consumers[0])
    assert rest.steps == now.steps


def test_a_store_tells_when_its_newest_event_was_received() -> None:
    assert read(STORE).newest_event_at is None
    text = STORE + "loopin_sink_newest_event_timestamp_seconds 1.7000000005e+09\n"
    assert read(text).newest_event_at == 1_700_000_000.5


def test_an_exposition_of_something_else_has_no_consumers() -> None:
    status = read("# TYPE other gauge\nother 1.0\n")
    assert (status.role, status.consumers) == ("?", [])
    with pytest.raises(ValueError):  # noqa: PT011 (the parser's own words)
        read("<html>")


def test_rates_are_those_since_the_snapshot_before() -> None:
    before = Snapshot(100.0, [read(WORKER)])
    role = deepcopy(before.roles[0])
    role.consumers[0].read, role.cpu_s = 150, 14.5
    now = compared(Snapshot(104.0, [role]), before)
    assert now.roles[0].consumers[0].rate == 12.5
    assert now.roles[0].consumers[1].rate == 0
    assert now.roles[0].cpu == 0.5


def test_what_was_started_again_has_no_rate_and_what_is_gone_keeps_its_name() -> None:
    before = Snapshot(100.0, [read(WORKER), read(STORE)])
    before.roles[1].url = "http://b:1"
    again = deepcopy(before.roles[0])
    again.consumers[0].read, again.cpu_s = 10, 0.5
    gone = RoleStatus("?", "http://b:1", answers=False, ready=False)
    new = RoleStatus("sink", "http://c:1", answers=True, ready=True, cpu_s=3.0)
    now = compared(Snapshot(101.0, [again, gone, new]), before)
    assert (now.roles[0].consumers[0].rate, now.roles[0].cpu) == (None, None)
    assert now.roles[1].role == "store"
    assert now.roles[2].cpu is None
