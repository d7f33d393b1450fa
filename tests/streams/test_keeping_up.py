"""A worker's readiness while it is behind, while it stands still, and once it has caught up.

A worker that gathers a whole batch before it takes anything is held up by half a batch for as long as the
test wants, and goes on with the other half. Its merge never gets a whole batch, so a worker that takes what
comes must follow for all to be caught up.
"""

from __future__ import annotations

import re
import time

import pytest

from tests.plain_http import ask
from tests.streams.conftest import Run, Scenario
from tests.streams.exactly_once import event
from tests.streams.installation import Installation, Worker, wait_until
from tests.streams.scraped import Scraped, address

BATCH = 50
"""Records that a transaction of the gathering workers takes."""

NEVER_S = 3600.0
MERGE_LAGS = re.compile(r"merge (is .* s behind|stands still)")


def gathering(installation: Installation, *, max_lag_s: float, stall_s: float) -> Worker:
    limits = {"max_lag_s": max_lag_s, "stall_s": stall_s}
    installation.settings = installation.settings.model_copy(update=limits)
    return installation.start(max_events=BATCH, linger_s=NEVER_S)


def publish_half_a_batch(installation: Installation) -> None:
    """Of one user, hence into one partition."""
    installation.publish([("u0", event("u0")) for _ in range(BATCH // 2)])


def oldest(installation: Installation) -> tuple[int, float]:
    """Where the first record is, and when the broker appended it (epoch seconds)."""
    (found,) = [part[0] for part in installation.read("events.raw") if part]
    return int(found.partition()), float(found.timestamp()[1]) / 1000


def wait_unready(url: str, sentence: str) -> None:
    def said() -> bool:
        status, text = ask(f"{url}/readyz")
        return status == 503 and sentence in text

    wait_until(said, f"it is not ready, because: {sentence}")


def wait_ready(url: str) -> None:
    wait_until(lambda: ask(f"{url}/readyz")[0] == 200, f"{url} is ready")


def wait_caught_up(url: str) -> Scraped:
    """What the worker says once its enrichment is no reason any more to be unready."""

    def keeps_up() -> bool:
        status, text = ask(f"{url}/readyz")
        # Of two that do not keep up the first is named, which the enrichment is.
        return status == 200 or (status == 503 and MERGE_LAGS.search(text) is not None)

    wait_until(keeps_up, "the enrichment keeps up")
    return Scraped.of(ask(f"{url}/metrics")[1])


def ready_in_the_hands_of_a_successor(installation: Installation, worker: Worker) -> None:
    assert worker.terminate() == 0
    wait_ready(address(installation.start()))


def unready_after_downtime_until_it_has_caught_up(installation: Installation) -> None:
    publish_half_a_batch(installation)
    _, appended = oldest(installation)
    worker = gathering(installation, max_lag_s=0.3, stall_s=NEVER_S)
    url = address(worker)

    wait_unready(url, "s behind (limit 0.3 s): 25 records wait in")

    assert ask(f"{url}/readyz?exclude=lag")[0] == 200, "it is at work"
    metrics = Scraped.of(ask(f"{url}/metrics")[1])
    assert metrics.total("loopin_consumer_lag_events", consumer="enrich") == BATCH // 2
    lag_reaches_the_age_of_the_oldest(url, appended)
    publish_half_a_batch(installation)
    metrics = wait_caught_up(url)
    assert metrics.total("loopin_consumer_lag_events", consumer="enrich") == 0
    assert metrics.total("loopin_consumer_lag_seconds", consumer="enrich") == 0
    ready_in_the_hands_of_a_successor(installation, worker)


def lag_reaches_the_age_of_the_oldest(url: str, appended: float) -> None:
    """The age is as of a look: sooner or later one is past this moment, and none is ahead of the clock."""
    now = time.time()

    def reached() -> bool:
        metrics = Scraped.of(ask(f"{url}/metrics")[1])
        seconds = metrics.total("loopin_consumer_lag_seconds", consumer="enrich") or 0.0
        assert seconds <= time.time() - appended
        return seconds >= now - appended

    wait_until(reached, "the lag is the age of the oldest record")


def unready_while_one_partition_stands_still(installation: Installation) -> None:
    worker = gathering(installation, max_lag_s=NEVER_S, stall_s=0.5)
    url = address(worker)
    wait_ready(url)
    publish_half_a_batch(installation)
    partition, _ = oldest(installation)

    topic = installation.settings.topic("events.raw")
    wait_unready(url, f"enrich stands still: records wait in partition {partition} of {topic}")

    metrics = Scraped.of(ask(f"{url}/metrics")[1])
    assert metrics.total("loopin_consumer_stalled_partitions", consumer="enrich") == 1
    publish_half_a_batch(installation)
    metrics = wait_caught_up(url)
    assert metrics.total("loopin_consumer_stalled_partitions", consumer="enrich") == 0
    ready_in_the_hands_of_a_successor(installation, worker)


def ready_without_partitions(installation: Installation) -> None:
    urls = [address(installation.start()) for _ in range(3)]
    open_in = "loopin_partitions_open"

    def shares() -> list[float]:
        return sorted(
            Scraped.of(ask(f"{url}/metrics")[1]).total(open_in, consumer="enrich") or 0 for url in urls
        )

    wait_until(lambda: shares() == [0, 1, 1], "one of three workers has none of two partitions")
    for url in urls:
        wait_ready(url)


SCENARIOS: dict[str, Scenario] = {
    "unready after downtime until it has caught up": unready_after_downtime_until_it_has_caught_up,
    "unready while one partition stands still": unready_while_one_partition_stands_still,
    "ready without partitions": ready_without_partitions,
}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_a_worker(side_by_side: Run, scenario: Scenario) -> None:
    side_by_side(scenario)
