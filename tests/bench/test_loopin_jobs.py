"""The bench's jobs on the runner: equal to the oracle, also when every batch meets a restored state."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from loopin_schemas.codec import decode
from loopin_streams.kafka.job import Output
from loopin_streams.kafka.marker import Marker
from tests.bench import oracle
from tests.bench.messages import Messages, closing_messages, read_messages, write_messages
from tests.bench.purchases import BACKLOG_LATENESS_MS, Row
from tests.bench.subject import Order, Progress
from tests.bench.systems.loopin import Sums, Windows

START_MS = 1_790_000_040_000
PARTITIONS = 3
CLOSING_MS = 2 * BACKLOG_LATENESS_MS
ORDER = Order(
    bootstrap="", prefix="", topic="", out="out", events=1, kept=0, partitions=PARTITIONS, folder=""
)


@dataclass(frozen=True)
class Sent:
    """A record as a job reads it."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int = 0


class Log:
    """One state topic and the marker's watermark, as the runner would keep them."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self.state: dict[bytes, bytes] = {}
        self.watermark: int | None = None

    def commit(self, output: Output) -> None:
        for key, value in output.messages.pop(self._topic, []):
            assert key is not None
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value
        self.watermark = output.watermark or self.watermark

    def marker(self) -> Marker:
        return Marker(topic_id="", position=0, watermark=self.watermark)


@pytest.mark.parametrize("restored", [False, True])
def test_windows_and_their_sums_are_the_oracles(tmp_path: Path, restored: bool) -> None:
    path = tmp_path / "messages"
    write_messages(Messages(6000, START_MS), path)
    # A user's events are all in one partition; the closing ones come last in each.
    inputs: list[list[Sent]] = [[] for _ in range(PARTITIONS)]
    for key, body in read_messages(path):
        inputs[sum(key) % PARTITIONS].append(Sent(0, key, body))
    for key, body, partition in closing_messages(START_MS, PARTITIONS, CLOSING_MS):
        inputs[partition].append(Sent(0, key, body))

    shares: list[Sent] = []
    for partition, records in enumerate(inputs):
        log, job = Log("windows.state"), Windows(ORDER, partition, Progress(-1))
        for begin in range(0, len(records), 500):
            if restored:
                job = Windows(ORDER, partition, Progress(-1))
                job.opened(log.marker(), log.state)
            output = job.absorb(records[begin : begin + 500], 0)
            log.commit(output)
            shares += [Sent(0, key, value) for to in output.routed.values() for key, value in to]
        last_window = START_MS + CLOSING_MS
        assert all(int(key.split(b":")[1]) >= last_window for key in log.state), "closed windows are removed"

    found: oracle.PurchaseWindows = {}
    log, sums = Log("sums.state"), Sums("out")
    for begin in range(0, len(shares), 50):
        if restored:
            sums = Sums("out")
            sums.opened(log.marker(), log.state)
        output = sums.absorb(shares[begin : begin + 50], 0)
        log.commit(output)
        for _, value in output.messages["out"]:
            row = decode(value or b"", Row)
            found[row.event, row.start] = row.count, row.sum, row.users
    assert found == oracle.purchases(path)
