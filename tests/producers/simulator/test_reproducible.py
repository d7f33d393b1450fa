"""The same world gives the same bytes, a longer run goes on from a shorter one, and order is as promised."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from itertools import pairwise
from uuid import UUID

import pytest

from loopin_producers.simulator import life, organisers, population
from loopin_producers.simulator.parameters import DAY_MS
from loopin_producers.simulator.scribe import read_line

from .worlds import Made, parameters, raw_lines

SMALL = parameters(users=60, days=5)
PROGRAM = """
import hashlib
from tests.producers.simulator.worlds import parameters, raw_lines
print(hashlib.sha256(b"".join(raw_lines(parameters(users=60, days=5), 5))).hexdigest())
"""


def digest_of(lines: list[bytes]) -> str:
    return hashlib.sha256(b"".join(lines)).hexdigest()


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_another_process_makes_the_same_bytes(hash_seed: str) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        check=True,
    )
    assert done.stdout.strip() == digest_of(raw_lines(SMALL, 5))


def test_neither_forgetting_nor_spilling_changes_a_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = digest_of(raw_lines(SMALL, 5))
    monkeypatch.setattr(population, "KEPT_USERS", 3)
    monkeypatch.setattr(life, "KEPT_PLANS", 3)
    monkeypatch.setattr(organisers, "KEPT_WEEKS", 2)
    assert digest_of(raw_lines(SMALL, 5, kept_lines=40)) == expected


def test_a_longer_run_begins_with_the_shorter_one() -> None:
    shorter, longer = raw_lines(SMALL, 3), raw_lines(SMALL, 9)
    assert longer[: len(shorter)] == shorter
    assert len(longer) > 2 * len(shorter), "the world goes on beyond its planned days"


def test_other_seeds_and_projects_share_no_id() -> None:
    ids = [
        {read_line(line).body.split(b'"uuid":"')[1][:36] for line in raw_lines(world, 2)}
        for world in (
            SMALL,
            parameters(users=60, days=5, seed=2),
            parameters(users=60, days=5, project="other"),
        )
    ]
    assert not ids[0] & ids[1]
    assert not ids[0] & ids[2]
    assert len(ids[0]) == len(ids[2])


def test_events_come_in_order_within_the_run_with_ids_of_their_time(made: Made) -> None:
    assert all(
        (one["timestamp"], one["distinct_id"]) <= (two["timestamp"], two["distinct_id"])
        for one, two in pairwise(made.events)
    )
    start_ms = made.parameters.start_ms
    assert start_ms <= made.events[0]["timestamp"] < start_ms + DAY_MS
    assert made.end_ms - DAY_MS < made.events[-1]["timestamp"] < made.end_ms
    assert len({event["uuid"] for event in made.events}) == len(made.events)
    for event in made.events[::50]:
        uuid = UUID(event["uuid"])
        assert uuid.version == 7
        assert uuid.int >> 80 == event["timestamp"]
