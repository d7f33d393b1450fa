"""The table as a person sees it, at two widths."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from loopin_deploy.status.measures import Measure, StepCost
from loopin_deploy.status.snapshot import ConsumerStatus, RoleStatus, Snapshot
from loopin_deploy.status.table import StatusView, ago, cost, count, duration, span

NOW = 1_700_000_000.0


def worker(number: int = 0, **changes: object) -> RoleStatus:
    enrich = ConsumerStatus(
        "enrich",
        read=1_234_567_890,
        passed=1_234_000_000,
        dropped={"duplicate": 5},
        dead_lettered={"not_json": 24, "uuid_invalid": 3},
        late={"day": 2},
        rate=15_003.4,
        lag_events=2_607,
        lag_s=0.52,
        watermark_delay_s=60.4,
        held={"profiles": 20_000, "seen": 115_550, "windows": 48, "series": 840},
        batch_events=Measure(7, 8_742.0, mean=1_248.9),
        batch_s=Measure(7, 0.36, mean=0.0514),
    )
    merge = ConsumerStatus("merge", read=420, passed=420, lag_events=0, lag_s=0.0, held={"series": 210})
    status = RoleStatus(
        "stream", f"http://10.0.0.{number}:800{number}", answers=True, ready=True, consumers=[enrich, merge]
    )
    status.memory_bytes, status.cpu = 180 << 20, 0.44
    us = {"decode": 11.22, "schema": 3.04, "sentiment": 41.5, "state": 8.98, "publish": 2.0, "idle": None}
    status.steps = {step: StepCost(0.0, 0, microseconds) for step, microseconds in us.items()}
    for name, value in changes.items():
        setattr(status, name, value)
    return status


def store() -> RoleStatus:
    events = ConsumerStatus(
        "events", read=111_698, passed=105_681, rate=12_076.0, lag_events=5_575, lag_s=1.2
    )
    events.insert_rows = Measure(9, 0.0, mean=6_038.4)
    events.insert_s = Measure(9, 0.0, mean=0.0834, p99=1.2345)
    windows = ConsumerStatus("metric_windows", read=2_170, passed=1_219, lag_events=218, lag_s=4_000.0)
    api = ConsumerStatus("api", read=0, passed=0, rate=0.0)
    status = RoleStatus("store", "http://10.0.0.9:8000", answers=True, ready=True)
    windows.insert_rows, windows.insert_s = (
        Measure(2, 0.0, mean=48.25),
        Measure(2, 0.0, mean=0.0041, p99=0.01),
    )
    status.consumers, status.freshness_s = [events, windows, api], 1.3
    status.newest_event_at = NOW - 7.6
    return status


def shown(roles: list[RoleStatus], width: int) -> list[str]:
    out = StringIO()
    Console(file=out, width=width, color_system=None).print(StatusView(Snapshot(NOW, roles)))
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("width", [80, 100])
def test_two_roles_fit_a_terminal_of_80_by_30(width: int) -> None:
    lines = shown([worker(), store()], width)
    assert lines[:4] == [
        "2023-11-14 22:13:20 UTC  all ready",
        "                     stream                   store",
        "                     enrich       merge      events   metric_windows         api",
        "─" * 80,
    ]
    assert len(lines) <= 30
    table = {line[:15].strip(): line[15:].split() for line in lines[4:]}
    assert table["state"] == ["ready", "ready"]
    assert table["in"] == ["1,234.6M", "420", "111,698", "2,170", "0"]
    assert table["in /s"] == ["15,003", "12,076", "0"]
    assert table["dropped"] == ["5", "0", "0", "0", "0"]
    assert table["dead-lettered"] == ["27", "0", "0", "0", "0"]
    assert table["lag, records"] == ["2,607", "0", "5,575", "218"]
    assert table["lag, time"] == ["0.5", "s", "0.0", "s", "1.2", "s", "1", "h", "07", "min"]
    assert table["seen uuids"] == ["115,550"]
    assert table["freshness"] == ["1.3", "s"]
    assert table["newest event"] == ["8", "s", "ago"]
    assert table["batch, records"] == ["1,249", "6,038", "48.2"]
    assert table["batch, time"] == ["51", "ms"]
    assert table["insert, mean"] == ["83", "ms", "4.1", "ms"]
    assert table["insert, p99"] == ["1.2", "s", "10", "ms"]
    # 11.22 + 3.04 + 41.5 + 8.98 + 2
    assert table["step cost"] == ["66.7", "us"]
    assert table["memory"] == ["180", "MB"]
    assert table["CPU"] == ["44%"]
    assert "stream, enrich, dropped: duplicate 5" in lines
    assert "stream, enrich, dead-lettered: not_json 24, uuid_invalid 3" in lines
    assert "stream, steps: sentiment 41.5 us, decode 11.2 us, state 9.0 us and 2 more" in lines


def test_an_idle_role_is_no_wider() -> None:
    idle = store()
    idle.newest_event_at = NOW - 26 * 3600
    lines = shown([worker(), idle], 80)
    assert sum(line.startswith("state") for line in lines) == 1
    assert next(line for line in lines if line.startswith("newest event")).split()[2:] == ["26", "h", "ago"]


@pytest.mark.parametrize(("width", "tables"), [(80, 3), (140, 2)])
def test_many_roles_are_shown_below_each_other_where_they_do_not_fit(width: int, tables: int) -> None:
    lines = shown([worker(number) for number in range(6)], width)
    assert max(map(len, lines)) <= width
    assert sum(line.startswith("state") for line in lines) == tables
    headings = " ".join(line for line in lines if line.lstrip().startswith("stream") and "," not in line)
    assert headings.split() == [word for number in range(1, 7) for word in ("stream", str(number))]
    assert "stream 6, enrich, dropped: duplicate 5" in lines
    assert "stream 2 http://10.0.0.1:8001" in " ".join(lines)


def test_a_role_with_more_consumers_than_fit_goes_on_below() -> None:
    lines = shown([store()], 50)
    assert max(map(len, lines)) <= 50
    assert [line.strip() for line in lines if line.strip() == "store"] == ["store", "store"]
    assert sum(line.startswith("state") for line in lines) == 2


def test_why_a_role_is_not_ready_stands_below_the_table() -> None:
    reason = "enrich is 400 s behind (limit 300 s): 12 records wait in loopin.events.raw."
    gone = RoleStatus("?", "http://10.0.0.7:8001", answers=False, ready=False, reason="No answer.")
    lines = shown([worker(ready=False, reason=reason), gone], 100)
    assert lines[0].endswith("2 of 2 not ready")
    assert f"stream: {reason}" in lines
    assert "?: No answer." in lines
    states = next(line for line in lines if line.startswith("state"))
    assert states.split(maxsplit=1)[1].split("  ")[0] == "not ready"
    assert states.endswith("no answer")


def test_late_windows_that_wait_are_counted() -> None:
    repairing = store()
    repairing.repairs_pending = 1_200
    lines = shown([worker(), repairing], 100)
    assert lines[0].endswith("all ready")
    assert next(line for line in lines if line.startswith("late windows")).split()[2:] == ["1,200"]
    repairing.repairs_pending = 0
    assert not any("late windows" in line for line in shown([worker(), repairing], 100))


def test_repairs_that_fail_are_said_even_where_all_is_ready() -> None:
    repairing = store()
    repairing.repairs_pending, repairing.repairs_failing = 12, True
    lines = shown([worker(), repairing], 100)
    assert lines[0].endswith("all ready, but late windows cannot be recomputed")
    assert next(line for line in lines if line.startswith("late windows")).split()[2:] == ["failing"]
    assert "store: late windows cannot be recomputed (12 wait): its log says why." in lines
    assert shown([worker(ready=False), repairing], 100)[0].endswith("1 of 2 not ready")


@pytest.mark.parametrize(("reasons", "more"), [(5, ""), (7, " and 2 more")])
def test_of_many_reasons_the_most_are_named_and_the_others_counted(reasons: int, more: str) -> None:
    role = worker()
    role.consumers[0].dropped = {f"r{number}": 10 - number for number in range(reasons)}
    lines = shown([role], 120)
    assert f"stream, enrich, dropped: r0 10, r1 9, r2 8, r3 7, r4 6{more}" in lines


def test_rows_that_nobody_fills_are_left_out() -> None:
    consumers = [ConsumerStatus("enrich", lag_events=3, lag_s=1.0)]
    lines = shown([RoleStatus("stream", "", answers=True, ready=True, consumers=consumers)], 80)
    assert [line.split("  ")[0] for line in lines[4:]] == ["state", "lag, records", "lag, time"]


def test_what_comes_from_elsewhere_cannot_steer_the_terminal() -> None:
    lines = shown([worker(reason="\x1b[2J[red]x[/red]", ready=False)], 100)
    assert "stream: \\x1b[2J[red]x[/red]" in lines


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, ""), (0, "0"), (9_999_999, "9,999,999"), (12_345_678, "12.3M"), (98_765_432_100, "98.8G")],
)
def test_counts(number: int | None, text: str) -> None:
    assert count(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.04, "0.0 s"), (599.9, "599.9 s"), (4000, "1 h 07 min"), (3 * 86_400 + 7200, "3 d 2 h")],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.0004, "0.4 ms"),
        (0.00996, "10 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (4000, "1 h 07 min"),
    ],
)
def test_short_durations(seconds: float | None, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-2.0, "0 s ago"),
        (999.4, "999 s ago"),
        (999.6, "0.3 h ago"),
        (35_800, "9.9 h ago"),
        (35_900, "10 h ago"),
        (172_700, "48 h ago"),
        (172_900, "2 d ago"),
    ],
)
def test_how_long_ago_takes_nine_characters_at_most(seconds: float, text: str) -> None:
    assert ago(seconds) == text
    assert len(text) <= 9


@pytest.mark.parametrize(
    ("microseconds", "text"), [(None, ""), (0.04, "0.0 us"), (99.96, "100 us"), (12_345.6, "12,346 us")]
)
def test_costs(microseconds: float | None, text: str) -> None:
    assert cost(microseconds) == text
