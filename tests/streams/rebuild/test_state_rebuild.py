"""State that was lost or spoilt is refused; after `loopin state rebuild` every number is right again."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from loopin_schemas.topics import TOPICS
from loopin_streams.kafka.topic_admin import TopicAdmin
from loopin_streams.rebuild.idle import members
from tests.faults.oracle import RawRecord
from tests.plain_http import ask
from tests.streams.conftest import Run, Scenario
from tests.streams.installation import Installation, Worker, wait_until
from tests.streams.rebuild import damage
from tests.streams.rebuild.command import killed_rebuild, loopin, rebuild
from tests.streams.rebuild.numbers import (
    differences,
    markers,
    newest,
    published,
    raw_records,
    varied,
    wait_numbers,
)
from tests.streams.scraped import address

EVENTS = 400


def absorb(installation: Installation, seed: int, before: list[RawRecord] | None = None) -> None:
    """Some events more, absorbed by a worker; all numbers are right then, and the worker stops.

    ``before`` are records that the log no longer holds.
    """
    installation.publish(varied(EVENTS, seed))
    worker = installation.start()
    wait_numbers(installation, before and [*before, *raw_records(installation)])
    assert worker.terminate() == 0


def refused(worker: Worker, code: str, job: str = "enrich") -> None:
    """A worker has refused a job's partitions with this code and one sentence that says what to do."""
    end = refusal(worker, job)
    assert f"code={code}" in end
    assert "run `loopin state rebuild" in end
    assert "Traceback" not in worker.said()


def refusal(worker: Worker, job: str) -> str:
    """What a worker says that refuses a job's partitions.

    Those of the merge it leaves closed, and enriches on; without the enrichment it ends with exit code 78.
    """
    if job == "enrich":
        assert worker.wait() == 78, worker.said()
        [end] = [line for line in worker.said().splitlines() if "worker_ends" in line]
        return end
    wait_until(lambda: worker.refused(job) == {0, 1}, "it has refused both partitions of the merge")
    readyz = f"{address(worker)}/readyz?exclude=lag"
    wait_until(lambda: ask(f"{readyz}&exclude=refused")[0] == 200, "it enriches all the same")
    assert "Partition 0 is refused: " in ask(readyz)[1]
    assert worker.terminate() == 0
    return next(line for line in worker.said().splitlines() if "partition_refused" in line)


def outputs(installation: Installation) -> list[int]:
    """How many records there are on the topics that workers write for others."""
    topics = ("events.enriched", "events.dlq", "metrics")
    return [len(part) for topic in topics for part in installation.read(topic)]


# Topics of the state.


@dataclass(frozen=True)
class Recreated:
    """A topic is deleted and created again; the others stand as they were."""

    topic: str
    code: str
    job: str = "enrich"

    def __call__(self, installation: Installation) -> None:
        absorb(installation, 1)
        damage.recreate(installation, self.topic)
        refused(installation.start(), self.code, self.job)
        rebuild(installation, self.job)
        assert differences(installation).none
        absorb(installation, 2)


@dataclass(frozen=True)
class RecreatedWhileItRuns:
    """A worker does not notice, goes on, and leaves a marker over a part of the state: the next one does."""

    topic: str
    job: str

    def __call__(self, installation: Installation) -> None:
        absorb(installation, 1)
        worker = installation.start()
        wait_until(lambda: worker.opened("enrich") + worker.opened("merge") >= 4, "all partitions are open")
        worker.send(signal.SIGSTOP)
        wait_until(lambda: worker.stopped, "the worker stands still")
        damage.recreate(installation, self.topic)
        installation.publish(varied(EVENTS, 2))
        worker.send(signal.SIGCONT)

        def told() -> bool:
            """It has ended, or each partition went on or was refused: a rebalance opens some of them anew."""
            refused = worker.refused(self.job)
            state = markers(installation, f"{self.job}.state")
            return worker.ended or all(marker or at in refused for at, marker in enumerate(state))

        wait_until(told, "it has gone on, or ended")
        if not worker.ended:
            worker.terminate()
        refusal(installation.start(), self.job)
        rebuild(installation, self.job)
        absorb(installation, 3)


def a_topic_deleted(installation: Installation) -> None:
    """The worker waits for it, and refuses once somebody has created it again."""
    absorb(installation, 1)
    damage.delete(installation, "profiles")
    worker = installation.start()
    wait_until(lambda: "loopin topics apply" in worker.said(), "it says what it waits for")
    TopicAdmin(installation.settings).apply()
    refused(worker, "state_recreated")


# Records of the state.


@dataclass(frozen=True)
class Spoilt:
    """A record of a state topic is not as it was written: refused for this reason."""

    topic: str
    key: Callable[[bytes], bool]
    value: Callable[[bytes], bytes | None]
    code: str


def _key(wanted: bytes) -> Callable[[bytes], bool]:
    return lambda key: key == wanted


def _window(key: bytes) -> bool:
    return key.startswith(b"w:")


def _any(_: bytes) -> bool:
    return True


def _garbage(_: bytes) -> bytes:
    return b"\xff{"


def _deep(_: bytes) -> bytes:
    return b"[" * 100_000


def _removed(_: bytes) -> None:
    return None


def _newer_object(value: bytes) -> bytes:
    return value[:-1] + b',"version":2}'


def _newer_array(value: bytes) -> bytes:
    assert value.startswith(b"[1,")
    return b"[2," + value[3:]


SPOILT: dict[str, Spoilt] = {
    "profile": Spoilt("profiles", _any, _garbage, "state_unreadable"),
    "deep profile": Spoilt("profiles", _any, _deep, "state_unreadable"),
    "newer profile": Spoilt("profiles", _any, _newer_object, "state_version"),
    "profile removed": Spoilt("profiles", _any, _removed, "state_incomplete"),
    "window": Spoilt("enrich.state", _window, _garbage, "state_unreadable"),
    "deep window": Spoilt("enrich.state", _window, _deep, "state_unreadable"),
    "newer window": Spoilt("enrich.state", _window, _newer_array, "state_version"),
    "marker": Spoilt("enrich.state", _key(b"m"), _garbage, "marker_unreadable"),
    "deep marker": Spoilt("enrich.state", _key(b"m"), _deep, "marker_unreadable"),
    "newer marker": Spoilt("enrich.state", _key(b"m"), _newer_object, "state_version"),
    "marker removed": Spoilt("enrich.state", _key(b"m"), _removed, "marker_missing"),
    "merge window": Spoilt("merge.state", _window, _garbage, "state_unreadable"),
    "newer merge window": Spoilt("merge.state", _window, _newer_array, "state_version"),
    "merge progress": Spoilt("merge.state", _key(b"p"), _garbage, "state_unreadable"),
    "newer merge progress": Spoilt("merge.state", _key(b"p"), _newer_object, "state_version"),
    "merge marker": Spoilt("merge.state", _key(b"m"), _garbage, "marker_unreadable"),
    "newer merge marker": Spoilt("merge.state", _key(b"m"), _newer_object, "state_version"),
    "merge marker removed": Spoilt("merge.state", _key(b"m"), _removed, "marker_missing"),
}


def spoil(installation: Installation, spoilt: Spoilt) -> Callable[[], None]:
    """Spoil one record in each partition; what undoes it."""
    before: list[tuple[int, bytes, bytes]] = []
    for number, part in enumerate(newest(installation, spoilt.topic)):
        key = next(key for key in part if spoilt.key(key))
        before.append((number, key, part[key].value() or b""))
    for number, key, value in before:
        damage.write(installation, spoilt.topic, number, key, spoilt.value(value))

    def undo() -> None:
        for number, key, value in before:
            damage.write(installation, spoilt.topic, number, key, value)

    return undo


def a_record_of_each_kind(installation: Installation) -> None:
    absorb(installation, 1)
    before = outputs(installation)
    for name, spoilt in SPOILT.items():
        undo = spoil(installation, spoilt)
        worker = installation.start()
        refused(worker, spoilt.code, "merge" if name.startswith(("merge", "newer merge")) else "enrich")
        undo()
        assert outputs(installation) == before, name
    absorb(installation, 2)
    for name in ("profile", "window", "marker", "merge window", "merge progress", "merge marker"):
        spoil(installation, SPOILT[name])
    rebuild(installation)
    absorb(installation, 3)


def seen_uuids_that_cannot_be_read(installation: Installation) -> None:
    absorb(installation, 1)
    newer = (1_700_000_000_000 | 2 << 56).to_bytes(8, "little")
    for value, code in ((b"\0" * 12, "state_unreadable"), (newer, "state_version")):
        for partition in range(2):
            damage.write(installation, "seen", partition, None, value)
        refused(installation.start(), code)
        rebuild(installation)
    # Uuids that were seen before are still known.
    installation.publish(varied(EVENTS, 1))
    absorb(installation, 2)


def partials_of_a_newer_version(installation: Installation) -> None:
    absorb(installation, 1)
    for partition in range(2):
        value = b'{"partition":0,"position":1,"version":2}'
        damage.write(installation, "windows", partition, b"0", value)
    refused(installation.start(), "state_version", "merge")
    rebuild(installation, "merge")
    absorb(installation, 2)


# The raw topic.


def _of_another_topic(records: list[RawRecord]) -> list[RawRecord]:
    """The same, at places that the topic there is now does not have."""
    return [record._replace(partition=record.partition + 100) for record in records]


def the_raw_topic_recreated_and_grown_beyond_the_marker(installation: Installation) -> None:
    absorb(installation, 1)
    before = _of_another_topic(raw_records(installation))
    damage.recreate(installation, "events.raw")
    installation.publish(varied(3 * EVENTS, 2))
    refused(installation.start(), "topic_recreated")
    rebuild(installation)
    absorb(installation, 3, before)
    # Once more, with events of both topics at the same offsets.
    rebuild(installation)
    absorb(installation, 4, before)


def the_markers_lie_beyond_the_log(installation: Installation) -> None:
    absorb(installation, 1)
    for number, marker in enumerate(markers(installation)):
        assert marker is not None
        topic_id = marker["topic_id"].encode()
        damage.write(
            installation, "enrich.state", number, b"m", b'{"topic_id":"%s","position":9999999}' % topic_id
        )
    refused(installation.start(), "marker_beyond_log")
    rebuild(installation)
    absorb(installation, 2)


def records_lost_before_they_were_absorbed(installation: Installation) -> None:
    absorb(installation, 1)
    positions = [marker["position"] for marker in markers(installation) if marker is not None]
    before = _of_another_topic(raw_records(installation))
    installation.publish(varied(EVENTS, 2))
    damage.delete_records(installation, "events.raw", [position + 10 for position in positions])
    refused(installation.start(), "log_starts_after_marker")
    sentence = loopin(installation, "state", "rebuild", "--yes").refused()
    assert sentence.startswith("Up to 20 records of partitions 0, 1 of ")
    assert "--accept-loss" in sentence
    rebuild(installation, "--accept-loss")
    absorb(installation, 3, before)


def partitions_added(installation: Installation) -> None:
    absorb(installation, 1)
    damage.add_partitions(installation, ["events.raw"], 3)
    worker = installation.start()
    refused(worker, "partitions_changed")
    assert "give all the same number" in worker.said()
    damage.add_partitions(
        installation, [t.name for t in TOPICS if t.partitions == "raw" and t.name != "events.raw"], 3
    )
    installation.settings.partitions = 3
    # The new partitions have no state of their own: their users' past lies in the others.
    refused(installation.start(), "partitions_changed")
    assert markers(installation)[2] is None
    rebuild(installation)
    assert differences(installation).none
    absorb(installation, 2)


# The rebuild itself.


@dataclass(frozen=True)
class Killed:
    """A rebuild that is killed leaves nothing that a worker opens, and the next one does it all."""

    point: str
    passing: int

    def __call__(self, installation: Installation) -> None:
        absorb(installation, 1)
        killed_rebuild(installation, self.point, self.passing)
        old = [*markers(installation), *markers(installation, "merge.state")]
        assert None in old, "nobody takes the old ones for true"
        worker = installation.start()
        wait_until(lambda: "code=marker_missing" in worker.said(), "it refuses")
        if not worker.ended:
            worker.send(signal.SIGTERM)
        assert worker.wait() in (0, 78)
        rebuild(installation)
        absorb(installation, 2)


def a_worker_that_wakes_afterwards(installation: Installation) -> None:
    """It has slept through the rebuild, and its memory is worth nothing: it is shut out."""
    absorb(installation, 1)
    installation.publish(varied(EVENTS, 2))
    zombie = installation.start(point="before_commit", passing=2, signal_name="SIGSTOP")
    wait_until(lambda: zombie.stopped, "the worker stands still within a transaction")
    wait_until(
        lambda: members(installation.settings, installation.settings.topic("enrich")) == 0, "it is out"
    )
    rebuild(installation)
    zombie.send(signal.SIGCONT)
    installation.publish(varied(EVENTS, 3))
    installation.start()
    wait_numbers(installation)


def profiles_on_disk(installation: Installation) -> None:
    absorb(installation, 1)
    damage.recreate(installation, "profiles")
    rebuild(installation, LOOPIN_STATE_STORE="disk")
    assert not list((installation.folder / "data" / "state").glob("*")), "nothing is left behind"
    absorb(installation, 2)


def while_a_worker_runs(installation: Installation) -> None:
    installation.publish(varied(EVENTS, 1))
    worker = installation.start()
    wait_numbers(installation)
    before = installation.read("enrich.state"), published(installation)
    sentence = loopin(installation, "state", "rebuild", "--yes").refused()
    assert sentence.startswith("1 stream worker runs")
    sentence = loopin(installation, "state", "rebuild", "--yes", "merge").refused()
    assert sentence.startswith("1 stream worker runs")
    assert not worker.ended
    assert len(installation.read("enrich.state")[0]) >= len(before[0][0])


def somebody_says_no(installation: Installation) -> None:
    absorb(installation, 1)
    before = [len(part) for part in installation.read("enrich.state")]
    ran = loopin(installation, "state", "rebuild")
    assert ran.code == 1
    assert "Begin?" in ran.err
    assert [len(part) for part in installation.read("enrich.state")] == before
    absorb(installation, 2)


def the_merge_alone(installation: Installation) -> None:
    """Windows come back as they were, because the enrichment publishes all that are open once more."""
    absorb(installation, 1)
    before = published(installation)
    damage.recreate(installation, "merge.state")
    rebuild(installation, "merge")
    worker = installation.start()
    wait_until(lambda: any(part.get(b"m") for part in newest(installation, "merge.state")), "it merges")
    wait_numbers(installation)
    assert published(installation) == before
    assert worker.terminate() == 0
    absorb(installation, 2)


SCENARIOS: dict[str, Scenario] = {
    "enrich.state recreated": Recreated("enrich.state", "marker_missing"),
    "profiles recreated": Recreated("profiles", "state_recreated"),
    "seen recreated": Recreated("seen", "state_recreated"),
    "merge.state recreated": Recreated("merge.state", "marker_missing", "merge"),
    "windows recreated": Recreated("windows", "topic_recreated", "merge"),
    "enrich.state recreated while it runs": RecreatedWhileItRuns("enrich.state", "enrich"),
    "merge.state recreated while it runs": RecreatedWhileItRuns("merge.state", "merge"),
    "profiles deleted": a_topic_deleted,
    "a record of each kind": a_record_of_each_kind,
    "seen uuids": seen_uuids_that_cannot_be_read,
    "newer partials": partials_of_a_newer_version,
    "raw topic recreated": the_raw_topic_recreated_and_grown_beyond_the_marker,
    "markers beyond the log": the_markers_lie_beyond_the_log,
    "records lost": records_lost_before_they_were_absorbed,
    "partitions added": partitions_added,
    "killed when begun": Killed("before_commit", 2),
    "killed between partitions": Killed("sent:profiles", 2),
    "killed before the last marker": Killed("sent:merge.state", 4),
    "a worker that wakes afterwards": a_worker_that_wakes_afterwards,
    "profiles on disk": profiles_on_disk,
    "while a worker runs": while_a_worker_runs,
    "somebody says no": somebody_says_no,
    "the merge alone": the_merge_alone,
}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_rebuild(side_by_side: Run, scenario: Scenario) -> None:
    side_by_side(scenario)
