"""A rebuild of the identity job: persons come back from the journal, and work goes on as before."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, cast

import pytest

from loopin_streams.identity.journal import ask_to_unmerge, decision_on, newest_merges
from loopin_streams.kafka.topic_admin import TopicAdmin
from loopin_streams.rebuild.rebuild import Rebuild
from loopin_streams.rebuild.refused import RebuildRefused
from loopin_streams.rebuild.truth import Truth
from tests.streams.conftest import Run
from tests.streams.identity.test_on_broker import PROJECT, assert_persons, identity_events
from tests.streams.installation import Installation, wait_until
from tests.streams.rebuild import damage


@dataclass
class Stored:
    """The store's word on who was identified, from the raw events themselves."""

    installation: Installation

    async def identified(self) -> AsyncIterator[tuple[str, str]]:
        for part in self.installation.read("events.raw"):
            for message in part:
                event = json.loads(message.value() or b"")
                if event["event"] == "$identify":
                    yield event["project"], event["distinct_id"]


def persons(installation: Installation) -> dict[bytes, dict[str, Any]]:
    """Those on the topic, without what tells when they changed."""
    newest = {message.key() or b"": message.value() for message in installation.read_one("persons")}
    found = {key: json.loads(value) for key, value in newest.items() if value is not None}
    for person in found.values():
        person["links"] = sorted(person.get("links", []))
        person.pop("revision", None)
        person.pop("link_offset", None)
    return found


def rebuild(installation: Installation) -> Rebuild:
    topics = TopicAdmin(installation.settings).describe()
    truth = cast("Truth", Stored(installation))
    return Rebuild(installation.settings, truth, 2, {name: info.id for name, info in topics.items()})


async def rebuilt(work: Rebuild) -> int:
    await work.prepare_identity()
    return (await work.run_identity()).persons


async def one_undone(installation: Installation) -> None:
    [merge, *_] = await newest_merges(installation.settings, limit=1)
    offset = await ask_to_unmerge(installation.settings, merge)
    async with asyncio.timeout(60):
        while await decision_on(installation.settings, offset) is None:  # noqa: ASYNC110 # nobody tells
            await asyncio.sleep(0.05)


@dataclass(frozen=True)
class Lost:
    """What happens to the state of a job that has worked, and by which code it is refused then."""

    damage: Callable[[Installation], None]
    code: str

    def __call__(self, installation: Installation) -> None:
        first = installation.start()
        installation.publish(identity_events(300, seed=5))
        assert_persons(installation, 300)
        asyncio.run(one_undone(installation))
        before = persons(installation)
        with pytest.raises(RebuildRefused, match="stop all workers first"):
            asyncio.run(rebuilt(rebuild(installation)))
        assert first.terminate() == 0
        self.damage(installation)
        refused = installation.start()
        wait_until(lambda: refused.refused("identity"), "the job is refused")
        assert self.code in refused.said()
        assert "loopin state rebuild identity" in refused.said()
        refused.terminate()
        assert asyncio.run(rebuilt(rebuild(installation))) == len(before)
        assert persons(installation) == before
        again = installation.start()
        wait_until(lambda: again.opened("identity"), "the job is at work again")
        installation.publish([("zed", _alias())])
        wait_until(
            lambda: any(b"zed" in (m.key() or b"") for m in installation.read_one("persons")), "it decides"
        )
        assert not again.refused("identity")


def _alias() -> bytes:
    event = {"project": PROJECT, "event": "$create_alias", "distinct_id": "zed", "properties": {"alias": "y"}}
    return json.dumps(event).encode()


def _remove_marker(installation: Installation) -> None:
    damage.write(installation, "identity.state", 0, b"m", None)


def _spoil_a_person(installation: Installation) -> None:
    key = next(iter(persons(installation)))
    damage.write(installation, "persons", 0, key, b"\xff{")


def _lose_persons(installation: Installation) -> None:
    damage.recreate(installation, "persons")


LOST = {
    "marker": Lost(_remove_marker, "marker_missing"),
    "unreadable": Lost(_spoil_a_person, "state_unreadable"),
    "recreated": Lost(_lose_persons, "state_recreated"),
}


@pytest.mark.parametrize("scenario", LOST.values(), ids=LOST.keys())
def test_lost_persons_come_back(side_by_side: Run, scenario: Lost) -> None:
    side_by_side(scenario)
