"""From a record that fails to its event on ``events.enriched``, through a running worker."""

from __future__ import annotations

import base64
import json
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from uuid import UUID, uuid4

import pytest

from loopin_schemas.dead_letter import DeadLetter
from loopin_streams.dead_letters.letters import Selection
from loopin_streams.dead_letters.repair import Repaired, as_it_is
from loopin_streams.dead_letters.replay import Summary
from tests.streams.conftest import Install
from tests.streams.dead_letters.on_broker import notes, replayed, start
from tests.streams.installation import Installation, wait_until

pytestmark = [pytest.mark.usefixtures("collected"), pytest.mark.scenario]

HOUR = 3_600_000


@dataclass
class Project:
    """One test's own project on the module's installation, whose worker runs."""

    installation: Installation
    name: str

    def publish(self, *bodies: bytes, user: str = "u1") -> None:
        self.installation.publish([(user, body) for body in bodies])

    def event(self, **fields: Any) -> bytes:
        known = {"project": self.name, "event": "click", "distinct_id": "u1"}
        return json.dumps(known | fields).encode()

    def letters(self, number: int, *, nameless: bool = False) -> list[dict[str, Any]]:
        """Its dead letters, or those that do not say whose they are, once there are so many."""
        name = None if nameless else self.name
        wait_until(lambda: len(self._of("events.dlq", name)) >= number, f"{number} dead letters of {name}")
        found = self._of("events.dlq", name)
        assert len(found) == number
        return found

    def enriched(self, number: int) -> list[dict[str, Any]]:
        """Its enriched events, once the worker has read all there is."""
        raw = sum(map(len, self.installation.read("events.raw", decided=True)))
        self.installation.wait_absorbed(raw)
        found = self._of("events.enriched", self.name, decided=True)
        assert len(found) == number
        return found

    def replay(self, selection: Selection | None = None, **options: Any) -> Summary:
        return replayed(self.installation, selection=selection or Selection(project=self.name), **options)

    def _of(self, topic: str, name: str | None, *, decided: bool = False) -> list[dict[str, Any]]:
        records = [record for part in self.installation.read(topic, decided=decided) for record in part]
        values = [json.loads(record.value() or b"{}") for record in records]
        return [value for value in values if value.get("project") == name]


@pytest.fixture(scope="module")
def running(install: Install) -> Installation:
    installation = install()
    installation.start()
    return installation


@pytest.fixture
def project(running: Installation) -> Project:
    return Project(running, f"p{uuid4().hex[:8]}")


def place(letter: dict[str, Any]) -> str:
    return f"{letter['topic_id']}:{letter['partition']}:{letter['offset']}"


def derived(origin: str) -> str:
    """The uuid of a place as RFC 9562 lays out version 8, computed by hand."""
    bits = int(blake2b(origin.encode(), digest_size=16).hexdigest(), 16)
    text = f"{bits:032x}"
    variant = f"{int(text[16], 16) & 3 | 8:x}"
    return str(UUID(text[:12] + "8" + text[13:16] + variant + text[17:]))


def with_user(letter: DeadLetter) -> Repaired:
    """A repair: a forbidden distinct_id becomes that of a user."""
    return {**as_it_is(letter), "distinct_id": "u1"}


def test_each_repaired_event_is_enriched_once(project: Project) -> None:
    good = project.event(uuid=str(uuid4()))
    named = [str(uuid4()) for _ in range(20)]
    bad = [project.event(uuid=one, distinct_id="null") for one in named]
    nameless = [project.event(distinct_id="null", properties={"at": at}) for at in range(20)]
    project.publish(good, *bad, *nameless)
    letters = project.letters(40)
    project.enriched(1)

    assert project.replay(repair=with_user).replayed == 40
    assert project.replay(repair=with_user).already == 40

    events = project.enriched(41)
    assert len({event["uuid"] for event in events}) == 41
    by_origin = {event["_origin"]: event for event in events if "_origin" in event}
    assert set(by_origin) == set(map(place, letters))
    for letter in letters:
        event = by_origin[place(letter)]
        body = json.loads(base64.b64decode(letter["body"]))
        assert event["uuid"] == body.get("uuid", derived(place(letter)))
        assert event["timestamp"] == letter["first_seen"] < event["received_at"]
        assert event.get("properties", {}) == body.get("properties", {})


@pytest.mark.parametrize(("point", "committed"), [("sent:dlq.replayed", 10), ("after_commit", 20)])
def test_a_killed_replay_and_the_next_one_count_once(install: Install, point: str, committed: int) -> None:
    installation = install()
    installation.start()
    project = Project(installation, "demo")
    project.publish(*(project.event(distinct_id="null") for _ in range(30)))
    letters = project.letters(30)
    with start(installation, point, 2, "SIGKILL") as process:
        assert process.wait(300) == -signal.SIGKILL
    found = project.replay(repair=with_user)
    assert (found.already, found.replayed) == (committed, 30 - committed)
    assert {event["_origin"] for event in project.enriched(30)} == set(map(place, letters))


def test_one_that_fails_again_keeps_its_first_origin_uuid_and_time(project: Project) -> None:
    project.publish(project.event(distinct_id="null", timestamp="soon"))
    [first] = project.letters(1)

    assert project.replay().left == {("invalid", "distinct_id_forbidden"): 1}
    assert project.replay(force=True).replayed == 1
    letters = project.letters(2)
    [second] = [letter for letter in letters if letter != first]
    # The first is settled; what failed again is a letter of its own.
    assert project.replay(repair=with_user).left == {("invalid", "timestamp_invalid"): 1}

    def mend(letter: DeadLetter) -> Repaired:
        return {**with_user(letter), "timestamp": None}

    found = project.replay(repair=mend)
    assert (found.replayed, found.already) == (1, 1)
    assert project.replay(repair=mend).already == 2

    [event] = project.enriched(1)
    assert event["_origin"] == place(first) != place(second)
    assert event["uuid"] == derived(place(first))
    assert event["timestamp"] == first["first_seen"] < second["first_seen"]
    known = notes(project.installation)
    assert known[place(second)]["origin"] == known[place(first)]["origin"] == place(first)


def test_a_clock_that_was_wrong_then_is_corrected_by_what_it_was_wrong_then(project: Project) -> None:
    project.publish(
        project.event(distinct_id="null", timestamp=1_700_000_000_000, sent_at=1_700_000_000_000 + HOUR)
    )
    [letter] = project.letters(1)
    project.replay(repair=with_user)
    [event] = project.enriched(1)
    assert event["timestamp"] == letter["first_seen"] - HOUR
    assert event["sent_at"] == 1_700_000_000_000 + HOUR


def test_a_cut_body_is_read_from_the_log(project: Project) -> None:
    project.publish(project.event(event="upload", properties={"file": "x" * 300_000, "size": 3}))
    # What is left of the body is no JSON, which would say whose it is.
    too_large = Selection(reason="too_large")
    [letter] = project.letters(1, nameless=True)
    assert len(base64.b64decode(letter["body"])) == 262_144 < letter["size"]
    assert project.replay(too_large, force=True).left == {("invalid", "too_large"): 1}

    def shorten(letter: DeadLetter) -> Repaired:
        assert not letter.truncated
        event = json.loads(letter.body)
        return {**event, "properties": {"size": event["properties"]["size"]}}

    assert project.replay(too_large, repair=shorten).replayed == 1
    [event] = project.enriched(1)
    assert (event["event"], event["properties"]) == ("upload", {"size": 3})


def test_two_of_a_clients_retries_count_once(project: Project) -> None:
    twice: Sequence[bytes] = [project.event(uuid=str(uuid4()), distinct_id="null")] * 2
    project.publish(*twice)
    project.letters(2)
    found = project.replay(repair=with_user)
    assert (found.replayed, found.repeated) == (1, 1)
    project.enriched(1)
