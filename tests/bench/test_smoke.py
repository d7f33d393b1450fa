"""J0, J1 and J2 once, with few events, on this project: the harness, the jobs and their check."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loopin_deploy.kafka import LocalKafka
from tests.bench import oracle
from tests.bench.bench import Bench
from tests.bench.broker import Broker
from tests.bench.closed import ClosedJob, run_closed
from tests.bench.jobs import django, feed, parse, whole, windows
from tests.bench.measure import ProcessTree

pytestmark = pytest.mark.scenario

EVENTS = 2000


@pytest.fixture
def bench(kafka: LocalKafka, tmp_path: Path) -> Iterator[Bench]:
    pid = kafka.status().pid
    assert pid is not None
    with ProcessTree(pid) as tree:
        broker = Broker(kafka.bootstrap, tmp_path, tree)
        yield Bench(broker, ("loopin",), runs=1, scale=1.0, logs=tmp_path, tell=print)


@pytest.mark.parametrize("job", [parse.JOB, windows.JOB, whole.JOB], ids=["J0", "J1", "J2"])
def test_this_project_does_the_job_and_equals_the_oracle(bench: Bench, job: ClosedJob) -> None:
    run_closed(replace(job, events={"": EVENTS}), bench)

    (figure,) = bench.figures
    assert figure.wrong == ""
    assert figure.events == EVENTS
    assert (figure.events_per_s or 0) > 0
    assert (figure.cpu_us_per_event or 0) > 0
    assert (figure.rss_mb or 0) > 10


def test_the_django_job_times_both_cases(bench: Bench) -> None:
    bench.scale = 0.02

    django.run(bench)

    assert [(figure.case, figure.wrong) for figure in bench.figures] == [
        ("broker up", ""),
        ("broker down", ""),
    ]
    for figure in bench.figures:
        assert figure.more["with_us"] > 0
        assert figure.more["without_us"] > 0


def test_every_client_of_the_feed_hears_every_alert(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.scale = 0.1
    monkeypatch.setattr(feed, "IDLE_S", 0.1)
    monkeypatch.setattr(feed, "EVERY_S", 0.05)

    feed.run(bench)

    assert [(figure.case, figure.wrong) for figure in bench.figures] == [
        ("100 clients, SSE", ""),
        ("100 clients, WebSocket", ""),
    ]
    for figure in bench.figures:
        assert figure.events == (100 + feed.BEFORE) * feed.ALERTS_SENT
        assert figure.more["missed"] == 0


def test_a_result_that_differs_is_called_wrong(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def other(path: Path) -> dict[str, int]:
        return {"never_sent": EVENTS}

    monkeypatch.setattr(oracle, "names", other)

    run_closed(replace(parse.JOB, events={"": EVENTS}), bench)

    assert bench.figures[0].wrong.startswith("counted {")
