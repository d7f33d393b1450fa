"""Figures are kept and merged, and the report says what they say and what they were to say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from tests.bench.__main__ import JOBS, REPORT, asked_for
from tests.bench.figures import Figure, load, merged, save
from tests.bench.jobs.open_loop import behind, not_held, percentiles, read
from tests.bench.report import report


def figure(system: str, run: int, events_per_s: float, *, job: str = "J0", wrong: str = "") -> Figure:
    return Figure(
        job=job,
        system=system,
        run=run,
        events=1000,
        events_per_s=events_per_s,
        cpu_us_per_event=1e6 / events_per_s,
        broker_cpu_us_per_event=1.0,
        rss_mb=100.0 + run,
        wrong=wrong,
        date="2026-01-02",
        versions={"thing": "1.2"},
    )


def test_figures_are_plain_json_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "build" / "bench.json"
    kept = [figure("loopin", 1, 1000.0)]
    save(kept, path)

    (plain,) = json.loads(path.read_text())
    assert {"job", "system", "run", "events_per_s", "cpu_us_per_event", "rss_mb"} <= plain.keys()
    assert load(path) == kept
    assert load(tmp_path / "none") == []


def test_a_case_that_ran_anew_replaces_the_earlier_figures_of_its_system() -> None:
    earlier = [figure("loopin", 1, 1.0), figure("quix", 1, 2.0), figure("loopin", 1, 3.0, job="J1")]
    new = [figure("loopin", run, 4.0) for run in (1, 2)]

    assert merged(earlier, new, 2) == [*new, earlier[1], earlier[2]]


def test_an_interrupted_case_replaces_nothing_but_fills_a_gap() -> None:
    earlier = [figure("loopin", run, 1.0) for run in (1, 2, 3)]
    new = [figure("loopin", 1, 4.0), figure("quix", 1, 5.0)]

    assert merged(earlier, new, 3) == [*earlier, new[1]]


def rows(text: str, *names: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(tuple(f"| {name}" for name in names))]


def test_the_report_gives_medians_with_their_spread_and_names_what_is_wrong() -> None:
    figures = [
        *(figure("loopin", run, rate) for run, rate in enumerate((100_000.0, 300_000.0, 200_000.0), 1)),
        *(
            figure("quix", run, 50_000.0, wrong="of 9 windows 1 missing" if run == 2 else "")
            for run in (1, 2)
        ),
    ]

    text = report(figures, "Machine: a test.")

    assert "Machine: a test." in text
    assert "3 runs on 2026-01-02." in text
    assert "| Date |" not in text
    ours, theirs = rows(text, "this project", "Quix")
    assert ours.split(" | ")[1:5] == ["1,000", "200,000 (100,000-300,000)", "1.0x", "5.0 (3.3-10.0)"]
    assert ours.endswith("102 (101-103) | - | equal |")
    assert "| 4.0x |" in theirs
    assert "| >= 2x: met |" in theirs
    assert "**WRONG** in 1 of 2: of 9 windows 1 missing" in theirs
    assert "thing 1.2" in text


def test_rows_of_different_days_are_dated() -> None:
    old, new = figure("quix", 1, 50_000.0), figure("loopin", 1, 100_000.0)
    new.date = "2026-03-04"

    ours, theirs = rows(report([old, new], ""), "this project", "Quix")

    assert "| 2026-03-04 |" in ours
    assert "| 2026-01-02 |" in theirs


def test_the_machines_speed_is_given() -> None:
    figures = [figure("loopin", run, 1.0) for run in (1, 2)]
    figures[0].loop_s, figures[1].loop_s = 0.5, 1.5

    assert "2 runs on 2026-01-02, the loop took 1.00 (0.50-1.50) s." in report(figures, "")


def test_what_is_not_measured_anew_stays_as_it_was() -> None:
    feed = Figure(job="feed", system="loopin", run=1, case="SSE", more={"added_mb": 33.0})
    earlier = report([figure("loopin", 1, 1000.0), figure("quix", 1, 500.0), feed], "An old machine.")

    text = report(
        [figure("loopin", 1, 4000.0, job="J1"), replace(feed, more={"added_mb": 44.0})], "", earlier
    )

    titles = [line for line in text.splitlines() if line.startswith("## ")]
    assert titles == [
        "## J0: parse and count",
        "## J1: filter and windows",
        "## Live feed",
        "## How each system does it",
    ]
    assert len(rows(text, "this project")) == 2
    assert "| 44 |" in text
    assert "| 33 |" not in text
    assert text.count("- **Quix Streams**") == 1
    assert report([], "", text) == text


TARGETS: dict[str, tuple[list[Figure], str]] = {
    "what trouble may add": (
        [
            Figure(
                job="trouble",
                system="loopin",
                run=1,
                case="hostile events: during",
                more={"rise_percent": 12.0},
            )
        ],
        "p99 rises <= 10 %: **missed by 20 %**",
    ),
    "nothing allowed": (
        [
            replace(
                figure("loopin", 1, 1.0, job="capture"),
                case="kill -9, durable, broker up",
                more={"lost": 3.0},
            )
        ],
        "0 lost: **missed: 3**",
    ),
    "rates": (
        [figure("loopin", 1, 40_000.0, job="J2")],
        ">= 50,000 events/s: **missed by 20 %**; with all models >= 30,000 events/s: met",
    ),
    "a multiple": (
        [figure("loopin", 1, 249.0), figure("faust", 1, 10.0)],
        ">= 25x: **missed by less than 1 %**",
    ),
    "a latency": (
        [Figure(job="open", system="loopin", run=1, case="5,000 events/s", more={"p99_ms": 2000.0})],
        "p99 <= 2 s: met",
    ),
    "a rate that was not held": (
        [Figure(job="open", system="loopin", run=1, case="5,000 events/s", not_held="far")],
        "p99 <= 2 s: missed",
    ),
    "the slowest query": (
        [
            Figure(
                job="queries",
                system="loopin",
                run=1,
                case="10,000,000 events",
                more={"overview_1d_p95_ms": 30.0, "user_events_p95_ms": 450.0, "export_p95_ms": 5000.0},
            )
        ],
        "every p95 but the export's <= 300 ms: **missed by 50 %**",
    ),
    "a multiple of the bar": (
        [Figure(job="open", system="loopin", run=1, case="5,000 events/s", more={"p99_ms": 9000.0})],
        "p99 <= 2 s: **missed: 4.5 times the bar**",
    ),
    "growth": (
        [
            Figure(job="users", system="loopin", run=1, case="10,000 known users", cpu_us_per_event=20.0),
            Figure(
                job="users",
                system="loopin",
                run=1,
                case="1,000,000 known users",
                cpu_us_per_event=21.0,
                rss_mb=5000.0,
                more={"stream_rss_mb": 630.0},
            ),
        ],
        "a worker <= 600 MB: **missed by 5 %**; all <= 4 GB: **missed by 25 %**; "
        "CPU <= 1.1x of 10,000 users': met",
    ),
}


@pytest.mark.parametrize(("figures", "said"), TARGETS.values(), ids=TARGETS)
def test_targets_stand_beside_the_figures(figures: Sequence[Figure], said: str) -> None:
    assert f"| {said} |" in report(figures, "")


def test_a_scaled_command_reports_only_where_it_is_told_to() -> None:
    assert asked_for([]).report == REPORT
    assert asked_for(["--no-report"]).report is None
    assert asked_for(["--scale", "0.3"]).report is None
    scaled = asked_for(["--scale", "0.3", "--report", "here.md"])
    assert scaled.report == Path("here.md")
    assert scaled.figures.name == "bench-x0.3.json"


def test_every_job_has_its_section_and_each_case_a_row() -> None:
    figures = [
        Figure(job=job, system="loopin", run=run, case=case, more={"p50_ms": 5.0, "stream_rss_mb": 7.0})
        for job in JOBS
        for case in ("one case", "another case")
        for run in (1, 2)
    ]

    text = report(figures, "")

    for title in (
        "J0",
        "J1",
        "J2",
        "Latency",
        "Trouble",
        "Scores",
        "Known users",
        "Partitions",
        "Workers",
        "Queries",
        "Capture",
        "Django",
        "Live feed",
        "Alerts",
    ):
        assert f"\n## {title}" in text
    cases = [line for line in text.splitlines() if line.startswith(("| one case |", "| another case |"))]
    assert len(cases) == 2 * 11
    # Latency has the quantile, growth the worker's memory; columns that nobody filled are left out.
    assert "| one case | 5 (5-5) | all stored |" in cases
    assert "| one case | 7 (7-7) | all stored |" in cases


def test_percentiles_leave_the_warm_up_out_and_weigh_every_event_alike(tmp_path: Path) -> None:
    path = tmp_path / "latencies"
    warm_up = np.column_stack((np.arange(0, 100), np.full(100, 9999)))
    measured = np.column_stack((np.arange(100, 1101), np.arange(0, 1001)))
    np.concatenate((warm_up, measured)).astype(np.int64).tofile(path)

    found = percentiles(read(path), 100)

    assert found == {
        "p50_ms": 500.0,
        "p95_ms": 950.0,
        "p99_ms": 990.0,
        "p99.9_ms": pytest.approx(999.0),
        "max_ms": 1000.0,
        "measured": 1001.0,
    }


def test_a_rate_is_held_unless_seconds_of_events_wait_at_the_end() -> None:
    latencies = np.array([(0, 10), (10, 10), (20, 10), (30, 11)])

    assert behind(latencies, 6, 30) == 3
    assert behind(latencies, 4, 41) == 0
    assert not_held(3000, 0, 1000) == ""
    assert not_held(7000, 0, 1000) == "7,000 events (7.0 s) behind at the end, all stored later"
    assert not_held(20, 5, 1000).endswith("5 not stored a minute later")
