"""Anomalies of a log with a model of its sessions, cut into batches in several ways: always the same."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
from msgspec.structs import replace

from loopin_schemas.codec import encode
from loopin_schemas.model import SessionModel
from loopin_schemas.watch import Watch
from loopin_streams.anomalies.cap import MOST
from loopin_streams.anomalies.features import TARGET, Rows, kept_rows
from loopin_streams.anomalies.tails import fitted, oddness
from tests.streams.anomalies.following import DAY, MINUTE, SECOND, Known, T
from tests.streams.anomalies.planted_log import planted_log
from tests.streams.one_partition import OnePartition, Sent, record


class Cut(NamedTuple):
    """How a log is cut: sizes of batches, each from a share (0 to 1) of the log on, where a worker begins."""

    batches: tuple[tuple[float, int], ...]
    again: int = 0


WHOLE = 1 << 40
CUTS = {
    "one by one": Cut(((0, 1),)),
    "37, begun again after each seventh": Cut(((0, 37),), 7),
    "300": Cut(((0, 300),)),
    "the whole": Cut(((0, WHOLE),)),
    "begun again in uneven places": Cut(((0, 300), (0.111, 41), (0.39, 1), (0.4, 512), (0.777, 5))),
}


def closing(sent: Sequence[Sent]) -> list[Sent]:
    """Two events of somebody else, the later of which lets all others have their turn of the day."""
    end = sent[-1].timestamp
    event = {"project": "demo", "event": "$pageview", "distinct_id": "closing", "properties": {}}
    return [
        record(len(sent) + n, {**event, "timestamp": end + after})
        for n, after in enumerate((10 * MINUTE, DAY + 30 * MINUTE))
    ]


def passed(sent: Sequence[Sent], cut: Cut, answers: Known) -> OnePartition:
    found = OnePartition(answers=answers)
    places = [int(share * len(sent)) for share, _ in cut.batches]
    for (_, batch), (first, end) in zip(cut.batches, pairwise([*places, len(sent)]), strict=True):
        found.run(sent[first:end], batch=batch, again=cut.again)
    found.run(closing(sent), batch=1)
    return found


def sessions(found: OnePartition) -> list[bytes]:
    return sorted(encode(one) for one in found.examples if one.target == TARGET)


def watches(found: OnePartition) -> dict[bytes, Watch | None]:
    return {key: profile.watch for key, profile in found.profiles.items()}


@pytest.fixture(scope="module")
def world() -> list[Sent]:
    return planted_log()


@pytest.fixture(scope="module")
def learned(world: list[Sent]) -> Rows:
    """Finished sessions of the world in which no rule has found anything."""
    before = OnePartition()
    before.run(world, batch=300)
    return kept_rows([one.features for one in before.examples if one.target == TARGET and not one.outcome])


@pytest.fixture(scope="module")
def model(learned: Rows) -> SessionModel:
    return fitted("demo", 1, learned, 0, len(learned))


@pytest.fixture(scope="module")
def answers(learned: Rows, model: SessionModel) -> Known:
    """A model to which one in fifty of the sessions is odd."""
    return Known(replace(model, threshold=float(np.quantile(oddness(model, learned), 0.98))))


@pytest.fixture(scope="module")
def once(world: list[Sent], answers: Known) -> OnePartition:
    return passed(world, CUTS["one by one"], answers)


def test_there_are_odd_sessions_next_to_what_the_rules_tell(world: list[Sent], once: OnePartition) -> None:
    odd = [one for one in once.anomalies if one.kind == "odd_session"]
    assert len(odd) >= 10
    assert len({one.kind for one in once.anomalies}) >= 3
    for one in once.anomalies:
        event = json.loads(world[one.raw_offset].value)
        assert (event["distinct_id"], event["timestamp"], event["event"]) == (
            one.distinct_id, one.at, one.event_name,
        )  # fmt: skip


@pytest.mark.parametrize("name", list(CUTS)[1:])
def test_however_a_log_is_cut_into_batches_the_same_is_told_learned_and_kept(
    world: list[Sent], answers: Known, once: OnePartition, name: str
) -> None:
    other = passed(world, CUTS[name], answers)
    assert other.anomalies == once.anomalies
    assert sessions(other) == sessions(once)
    assert len(sessions(once)) > 150
    assert watches(other) == watches(once)
    assert other.counts.anomalies == once.counts.anomalies


def too_much(users: int) -> Iterator[dict[str, Any]]:
    """Users of whom, in the same minutes, payments fail in a row or whose sessions are odd."""
    for n in range(40):
        for user in range(users):
            yield {
                "project": "demo",
                "event": "payment_failed" if user % 3 == 0 else "$exception",
                "distinct_id": f"user-{user}",
                "timestamp": T + n * 4 * SECOND + user,
                "properties": {},
            }


def test_what_is_withheld_is_decided_in_the_order_of_events(model: SessionModel) -> None:
    sent = [record(offset, event) for offset, event in enumerate(too_much(2 * MOST))]
    once, *others = [passed(sent, cut, Known(model)) for cut in CUTS.values()]
    for other in others:
        assert other.anomalies == once.anomalies
        assert other.counts.withheld == once.counts.withheld
        assert watches(other) == watches(once)
    assert {one.kind for one in once.anomalies} == {"payment_failure_streak", "odd_session"}
    in_minutes = Counter(sent[one.raw_offset].timestamp // MINUTE for one in once.anomalies)
    assert max(in_minutes.values()) == MOST
    # Of each user one is found, and told or withheld.
    assert len(once.anomalies) + sum(once.counts.withheld.values()) == 2 * MOST
