"""A broker that crashed has ended a transaction in part: afterwards each event counts once all the same."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from loopin_streams.rebuild.idle import members
from tests.streams.conftest import Run, Scenario
from tests.streams.installation import Installation, wait_until
from tests.streams.kafka.conftest import trusting as trusting
from tests.streams.kafka.crashed import Place, end_in_part, open_records
from tests.streams.rebuild.command import rebuild
from tests.streams.rebuild.numbers import differences, markers, raw_records, varied, wait_numbers

EVENTS = 400
STATE, EVENT, SEEN, PROFILES, LETTERS = (
    *("enrich.state", "events.enriched", "seen", "profiles", "events.dlq"),
)


@dataclass(frozen=True)
class Half:
    """The partition whose transaction was ended in part, and the marker that it had."""

    partition: int
    marker: dict[str, Any]


def absorb(installation: Installation, seed: int) -> None:
    """Some events more, absorbed by a worker; all numbers are right then, and the worker stops."""
    installation.publish(varied(EVENTS, seed))
    worker = installation.start()
    wait_numbers(installation)
    assert worker.terminate() == 0


def half_ended(installation: Installation, open_in: tuple[str, ...]) -> Half:
    """A worker's transaction that is open on these topics still, and was committed on all others."""
    absorb(installation, 1)
    installation.publish(varied(EVENTS, 2))
    worker = installation.start(point="before_commit", signal_name="SIGSTOP", idle_s=3600)
    wait_until(lambda: worker.stopped, "the worker stands still within a transaction")
    settings = installation.settings
    topic = settings.topic

    async def part() -> Half:
        names = (STATE, EVENT, SEEN, PROFILES, LETTERS, "windows")
        places = [(topic(name), number) for name in names for number in range(settings.partitions)]
        found = await open_records(settings.kafka_bootstrap, places)
        worker.send(signal.SIGKILL)
        worker.wait()
        # The other partition may be in the midst of one, too; this one has sent all.
        [number] = [number for number in range(2) if (topic(PROFILES), number) in found][:1]
        own = {
            place: [message for message in messages if place[0] != topic("windows") or _of(message, number)]
            for place, messages in found.items()
            if place[0] == topic("windows") or place[1] == number
        }
        left: list[Place] = [(topic(name), number) for name in open_in]
        await end_in_part(
            settings.kafka_bootstrap, f"{settings.topic_prefix}enrich-{number}", own, open_in=left
        )
        last = [value for key, value in own[topic(STATE), number] if key == b"m"][-1]
        assert {at[0] for at in own} >= {topic(name) for name in open_in}
        return Half(number, json.loads(last or b""))

    half = asyncio.run(part())
    wait_until(lambda: members(settings, topic("enrich")) == 0, "the broker has given the worker up")
    return half


def _of(message: tuple[bytes | None, bytes | None], partition: int) -> bool:
    return message[0] == b"%d" % partition


def check_once(installation: Installation) -> None:
    """Each raw record has one outcome, and the markers have counted it once."""
    enriched = installation.read(EVENT)
    letters = installation.read(LETTERS)
    for number, marker in enumerate(markers(installation)):
        events = Counter(json.loads(each.value() or b"")["_raw_offset"] for each in enriched[number])
        dead = Counter(each.key() for each in letters[number])
        assert set(events.values()) | set(dead.values()) == {1}
        records = sum(record.partition == number for record in raw_records(installation))
        assert marker is not None
        counts = marker["counts"]
        assert counts["read"] == records
        assert counts["passed"] == len(events)
        assert sum(counts["dead_lettered"].values()) == len(dead)
        assert sum(counts["dropped"].values()) == records - len(events) - len(dead)


@dataclass(frozen=True)
class Opened:
    """Whoever opens the partition next ends the transaction."""

    open_in: tuple[str, ...]

    def __call__(self, installation: Installation) -> None:
        half = half_ended(installation, self.open_in)
        worker = installation.start()
        wait_numbers(installation)
        assert f"partition={half.partition} position={half.marker['position']}" in worker.said()
        assert worker.terminate() == 0
        check_once(installation)


@dataclass(frozen=True)
class Rebuilt:
    """A rebuild ends it, and goes on where it went."""

    open_in: tuple[str, ...]
    refused: bool = False

    def __call__(self, installation: Installation) -> None:
        half = half_ended(installation, self.open_in)
        if self.refused:
            worker = installation.start()
            wait_until(lambda: worker.refused("enrich") == {half.partition}, "it is refused")
            assert "code=transaction_left_open" in worker.said()
            assert worker.terminate() == 0
        rebuild(installation)
        marker = markers(installation)[half.partition]
        assert marker is not None
        assert marker["position"] == half.marker["position"]
        assert marker["counts"] == half.marker["counts"]
        absorb(installation, 3)
        check_once(installation)
        assert differences(installation).none


SCENARIOS: dict[str, Scenario] = {
    "events open, opened": Opened((EVENT, SEEN, PROFILES)),
    "position open, opened": Opened((STATE,)),
    "letters open, opened": Opened((LETTERS, "events.enriched")),
    "events open, rebuilt": Rebuilt((EVENT, SEEN, PROFILES)),
    "position open, rebuilt": Rebuilt((STATE, SEEN)),
    "uuids open, rebuilt": Rebuilt((SEEN, PROFILES), refused=True),
}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_half_ended(trusting: None, side_by_side: Run, scenario: Scenario) -> None:
    side_by_side(scenario)
