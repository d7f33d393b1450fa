"""What the steps are said to have cost."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any

from loopin_streams.enrich.costs import StepCosts
from loopin_streams.enrich.job import EnrichJob, EnrichOptions
from loopin_streams.enrich.pipeline import STEPS


def record(offset: int, value: bytes, key: bytes = b"demo:u1") -> Any:
    return SimpleNamespace(offset=offset, timestamp=int(time.time() * 1000), key=key, value=value)


def test_each_step_counts_what_it_was_given_whoever_holds_the_partition() -> None:
    job = EnrichJob(EnrichOptions(topic_prefix="loopin.", partitions=1))
    body = json.dumps({"project": "demo", "event": "click", "distinct_id": "u1"}).encode()
    for topic_id in ("00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"):
        # Without a uuid it is named by its place, so these are no duplicates.
        job.open(0, topic_id).absorb([record(0, body), record(1, b"{"), record(2, body)], 3)
    sums = job.costs.sums()
    assert list(sums) == [*(step.name for step in STEPS), "state", "publish"]
    assert {step: events for step, (_, events) in sums.items()} == {
        **{step.name: 4 for step in STEPS},
        **{"decode": 6, "state": 6, "publish": 6},
    }
    spent = sum(seconds for seconds, _ in sums.values())
    assert 0 < spent <= time.process_time(), "no more than the process has used"


def test_sums_add_up() -> None:
    costs = StepCosts()
    costs.add([("decode", 0.5, 10), ("encode", 0.25, 8)])
    costs.add([("decode", 0.5, 5)])
    assert costs.sums() == {"decode": (1.0, 15), "encode": (0.25, 8)}
