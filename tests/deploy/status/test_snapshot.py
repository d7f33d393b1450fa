"""What a role's metrics say, read from an exposition that is written out here."""

from __future__ import annotations

from copy import deepcopy

import pytest

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
