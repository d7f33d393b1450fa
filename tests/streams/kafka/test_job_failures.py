"""A job that fails: one partition's records must not stop the others, and nothing of them is passed over."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import pytest

from loopin_streams.kafka.batch import Batch, Record
from loopin_streams.kafka.job import Output
from tests.streams.kafka.tally import Held, Hold, Tally, TallyJob, until


@dataclass
class Defective:
    """Makes a job fail on whatever it is given of partition 0, so many times."""

    failures: float
    error: Exception = field(default_factory=lambda: ZeroDivisionError("a defect of the job"))
    tried: int = 0

    def break_(self, monkeypatch: pytest.MonkeyPatch, job: TallyJob) -> None:
        def opened(partition: int, topic_id: str, right: Callable[[int, str], Tally] = job.open) -> Tally:
            tally = right(partition, topic_id)
            if partition == 0:
                monkeypatch.setattr(tally, "absorb", partial(self._absorb, tally.absorb))
            return tally

        monkeypatch.setattr(job, "open", opened)
        monkeypatch.setattr("loopin_streams.kafka.runner.RETRY_S", (0.01,))

    def _absorb(self, right: Callable[..., Output], records: Sequence[Record], position: int) -> Output:
        self.tried += 1
        if self.tried <= self.failures:
            raise self.error
        return right(records, position)


async def offer(held: Held, condition: Callable[[], object]) -> None:
    """Hand partition 0 the same batch each time it opens, until the condition holds."""
    async with asyncio.timeout(60):
        while not condition():
            found = held.runner.partition(0)
            if found is not None:
                found.submit(Batch(held.runner.topic, 0, 0, 5, ()))
            await asyncio.sleep(0.005)


async def test_a_job_that_fails_on_one_partition_s_records_works_on_the_others(
    hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, defective = hold(), Defective(math.inf)
    defective.break_(monkeypatch, held.job)
    held.runner.assign([0, 1])
    await offer(held, held.runner.refused)
    assert defective.tried == 3
    said = held.runner.refused() or ""
    assert said.startswith("Partition 0 is refused: Job tally fails on the same records of partition 0 ")
    assert "ZeroDivisionError: a defect of the job" in said
    other = held.runner.partitions[1]
    other.submit(Batch(held.runner.topic, 1, 0, 7, ()))
    await until(lambda: other.durable == 7)
    assert held.failures == []
    # Nothing of its records is passed over: a release without the defect begins with them.
    await held.runner.revoke([0, 1])
    defective.failures = 0
    assert (await held.open()).fetched == 0
    await held.absorb(0, 5)
    assert held.failures == []


async def test_a_job_that_failed_in_passing_goes_on_with_the_same_records(
    hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, defective = hold(), Defective(2)
    defective.break_(monkeypatch, held.job)
    held.runner.assign([0])
    await offer(held, lambda: held.runner.durable(0) == 5)
    assert (held.runner.refused(), held.failures) == (None, [])


async def test_a_full_disk_is_waited_for(hold: Hold, monkeypatch: pytest.MonkeyPatch) -> None:
    held, defective = hold(), Defective(7, OSError("IO error: No space left on device"))
    defective.break_(monkeypatch, held.job)
    held.runner.assign([0])
    await offer(held, lambda: held.runner.durable(0) == 5)
    assert (held.runner.refused(), held.failures, defective.tried) == (None, [], 8)


async def test_a_state_that_cannot_be_let_go_of_ends_the_process(
    hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, defective = hold(), Defective(1)
    defective.break_(monkeypatch, held.job)
    found = await held.open()

    def close() -> None:
        monkeypatch.undo()
        raise RuntimeError("it stays")

    monkeypatch.setattr(found.absorber, "close", close)
    found.submit(Batch(held.runner.topic, 0, 0, 5, ()))
    await until(lambda: held.failures)
    assert [str(failure) for failure in held.failures] == ["it stays"]


async def test_memory_that_is_used_up_ends_the_process(hold: Hold, monkeypatch: pytest.MonkeyPatch) -> None:
    held = hold()
    found = await held.open()

    def absorb(*_: object) -> Output:
        raise MemoryError

    monkeypatch.setattr(found.absorber, "absorb", absorb)
    found.submit(Batch(held.runner.topic, 0, 0, 5, ()))
    await until(lambda: held.failures)
    assert isinstance(held.failures[0], MemoryError)
