"""Figures are kept and merged, and the report says what they say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.bench.__main__ import JOBS
from tests.bench.figures import Figure, load, merged, save
from tests.bench.jobs.open_loop import percentiles
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


def test_a_job_that_ran_anew_replaces_its_earlier_figures_of_that_system() -> None:
    earlier = [figure("loopin", 1, 1.0), figure("quix", 1, 2.0), figure("loopin", 1, 3.0, job="J1")]
    new = [figure("loopin", 1, 4.0)]

    assert merged(earlier, new) == [earlier[1], earlier[2], new[0]]


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
    assert "2026-01-02" in text
    ours, theirs = [line for line in text.splitlines() if line.startswith(("| this project", "| Quix"))]
    assert ours.split(" | ")[1:5] == ["1,000", "200,000 (100,000-300,000)", "1.0x", "5.0 (3.3-10.0)"]
    assert ours.endswith("102 (101-103) | equal |")
    assert "| 4.0x |" in theirs
    assert "**WRONG** in 1 of 2: of 9 windows 1 missing" in theirs
    assert "thing 1.2" in text


def test_every_job_has_its_section_and_each_case_a_row() -> None:
    figures = [
        Figure(job=job, system="loopin", run=run, case=case, more={"p50_ms": 5.0, "stream_rss_mb": 7.0})
        for job in JOBS
        for case in ("one case", "another case")
        for run in (1, 2)
    ]

    text = report(figures, "")

    for title in ("J0", "J1", "J2", "Latency", "Known users", "Partitions", "Workers", "Queries", "Capture"):
        assert f"\n## {title}" in text
    cases = [line for line in text.splitlines() if line.startswith(("| one case |", "| another case |"))]
    assert len(cases) == 2 * 6
    # Latency has the quantile, growth the worker's memory; columns that nobody filled are left out.
    assert "| one case | 5 (5-5) | all stored |" in cases
    assert "| one case | 7 (7-7) | all stored |" in cases


def test_percentiles_leave_the_warm_up_out_and_weigh_every_event_alike(tmp_path: Path) -> None:
    path = tmp_path / "latencies"
    warm_up = np.column_stack((np.arange(0, 100), np.full(100, 9999)))
    measured = np.column_stack((np.arange(100, 1101), np.arange(0, 1001)))
    np.concatenate((warm_up, measured)).astype(np.int64).tofile(path)

    found = percentiles(path, 100)

    assert found == {
        "p50_ms": 500.0,
        "p95_ms": 950.0,
        "p99_ms": 990.0,
        "p99.9_ms": pytest.approx(999.0),
        "max_ms": 1000.0,
        "measured": 1001.0,
    }
