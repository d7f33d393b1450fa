"""``loopin persons`` on a real broker, with a journal as the worker writes it."""

from __future__ import annotations

import json

import pytest
from confluent_kafka import Producer

from loopin_deploy.commands import persons
from loopin_schemas.codec import encode
from loopin_schemas.identity import Link, LinkKind, Outcome, Person, PersonMerge, Refusal, person_id
from tests.deploy.command_line import Loopin
from tests.deploy.commands.test_dead_letters import HOSTILE, swept

MERGED = "00000000-0000-8000-8000-000000000001"
REFUSED = "00000000-0000-8000-8000-000000000002"
DEMO = ("--project", "demo")
UNMERGED = "00000000-0000-8000-8000-000000000003"

__all__ = ["swept"]


def record(
    merge_id: str,
    outcome: Outcome,
    other: str,
    *,
    kind: LinkKind = "identify",
    reason: Refusal | None = None,
    link_offset: int = 100,
    distinct_id: str = "user",
    project: str = "demo",
) -> PersonMerge:
    return PersonMerge(
        id=merge_id,
        project=project,
        kind=kind,
        outcome=outcome,
        reason=reason,
        distinct_id=distinct_id,
        other=other,
        person=distinct_id,
        moved=[] if outcome == "refused" else [other],
        kept=[distinct_id],
        event_at=1_700_000_000_000,
        decided_at=1_700_000_001_000,
        revision=1,
        link_offset=link_offset,
    )


class Topics:
    """Writes what a worker would."""

    def __init__(self, broker: str, prefix: str) -> None:
        self._producer = Producer({"bootstrap.servers": broker, "linger.ms": 0})
        self._prefix = prefix

    def journal(self, *merges: PersonMerge) -> None:
        for merge in merges:
            self._producer.produce(f"{self._prefix}person.merges", encode(merge), partition=0)
        assert self._producer.flush(60) == 0

    def person(self, key: str, person: Person | None) -> None:
        value = None if person is None else encode(person)
        self._producer.produce(f"{self._prefix}persons", value, key, partition=0)
        assert self._producer.flush(60) == 0


@pytest.fixture
def topics(broker: str, topic_prefix: str, loopin: Loopin) -> Topics:
    assert loopin("topics", "apply").code == 0
    return Topics(broker, topic_prefix)


def test_without_topics_there_is_nobody(loopin: Loopin, broker: str) -> None:
    assert loopin("persons", "merges", "--json") == (0, "", "")
    assert loopin("persons", "warnings", "--json") == (0, "", "")


def test_merges_are_listed_newest_first_as_they_stand(loopin: Loopin, topics: Topics) -> None:
    topics.journal(
        record(UNMERGED, "merged", "b"),
        record(MERGED, "merged", "a"),
        record(REFUSED, "refused", "c", reason="already_identified"),
        record("4", "merged", "x", project="shop"),
        record(UNMERGED, "unmerged", "b", kind="unmerge"),
    )
    lines = [json.loads(line) for line in loopin("persons", "merges", "--json").out.splitlines()]
    assert [(one["id"], one["outcome"]) for one in lines] == [
        (UNMERGED, "unmerged"),
        ("4", "merged"),
        (MERGED, "merged"),
    ]
    [shop] = loopin("persons", "merges", "--json", "--project", "shop").out.splitlines()
    assert json.loads(shop)["other"] == "x"
    [newest] = loopin("persons", "merges", "--json", "--limit", "1").out.splitlines()
    assert json.loads(newest)["id"] == UNMERGED
    shown = loopin("persons", "merges")
    assert shown.code == 0
    assert "loopin persons unmerge" in shown.out


def test_warnings_say_why(loopin: Loopin, topics: Topics) -> None:
    topics.journal(
        record(REFUSED, "refused", "c", reason="already_identified"), record(MERGED, "merged", "a")
    )
    [line] = loopin("persons", "warnings", "--json").out.splitlines()
    assert json.loads(line)["reason"] == "already_identified"
    assert "$merge_dangerously" in " ".join(loopin("persons", "warnings").out.split())


def test_what_clients_sent_does_not_steer_the_terminal(loopin: Loopin, topics: Topics) -> None:
    topics.journal(record(REFUSED, "refused", HOSTILE, reason="other_id_invalid", distinct_id=HOSTILE))
    topics.person(f"demo:{HOSTILE}", Person(distinct_ids=[HOSTILE]))
    show = ["show", HOSTILE, *DEMO]
    for arguments in (["warnings"], ["warnings", "--json"], show, [*show, "--json"]):
        shown = loopin("persons", *arguments)
        assert shown.code == 0
        assert not {"\x1b", "\x07", "\x9b", "\u202e", "\r", "\x00"} & set(shown.out)


def test_a_person_is_shown_by_any_id(loopin: Loopin, topics: Topics) -> None:
    topics.person("demo:a", Person(distinct_ids=["a"], revision=1))
    topics.person("demo:a", None)
    both = Person(distinct_ids=["user", "a"], identified=[0], links=[Link(MERGED, 0, 1)], revision=2)
    topics.person("demo:user", both)
    topics.journal(record(MERGED, "merged", "a"), record(REFUSED, "refused", "c", reason="too_many_ids"))
    found = json.loads(loopin("persons", "show", "a", *DEMO, "--json").out)
    assert found["person_id"] == person_id("demo", "user")
    assert (found["distinct_ids"], found["identified"]) == (["user", "a"], ["user"])
    assert [merge["id"] for merge in found["merges"]] == [REFUSED, MERGED]
    shown = loopin("persons", "show", "user", *DEMO).out
    assert "user (identified)" in shown
    assert f"a joined to user ({MERGED})" in shown
    nobody = json.loads(loopin("persons", "show", "nobody", *DEMO, "--json").out)
    assert (nobody["distinct_ids"], nobody["merges"]) == (["nobody"], [])


def test_a_person_comes_with_the_merges_of_all_its_ids(loopin: Loopin, topics: Topics) -> None:
    three = Person(distinct_ids=["user", "a", "b"], links=[Link(MERGED, 0, 1), Link("4", 1, 2)], revision=2)
    topics.person("demo:user", three)
    topics.journal(
        record(MERGED, "merged", "a"),
        record("4", "merged", "b", distinct_id="a"),
        record("5", "merged", "y", distinct_id="x"),
    )
    for each in three.distinct_ids:
        found = json.loads(loopin("persons", "show", each, *DEMO, "--json").out)
        assert [merge["id"] for merge in found["merges"]] == ["4", MERGED]


def test_an_id_of_which_nothing_is_known_is_told_as_such(loopin: Loopin, topics: Topics) -> None:
    topics.person("demo:user", Person(distinct_ids=["user"], identified=[0], revision=1))
    assert loopin("persons", "show", "user", *DEMO).err == ""
    nobody = loopin("persons", "show", "nobody", *DEMO)
    assert nobody.code == 0
    assert nobody.err.startswith("Nothing has been joined to nobody in project demo")


@pytest.mark.parametrize("empty", ["", " "])
def test_nobody_has_an_empty_id(loopin: Loopin, topics: Topics, empty: str) -> None:
    topics.journal(record(MERGED, "merged", "a"))
    shown = loopin("persons", "show", empty, *DEMO)
    assert shown.out == ""
    assert shown.refused() == "Give one of the person's distinct_ids."


def test_the_project_of_a_person_has_to_be_named(loopin: Loopin, topics: Topics) -> None:
    shown = loopin("persons", "show", "user")
    assert (shown.code, shown.out) == (2, "")
    assert "--project" in shown.err


def test_unmerge_names_what_cannot_be_undone(loopin: Loopin, topics: Topics) -> None:
    topics.journal(
        record(UNMERGED, "unmerged", "b"), record(REFUSED, "refused", "c", reason="already_identified")
    )
    assert "There is no merge nonsense" in loopin("persons", "unmerge", "nonsense").refused()
    assert f"There is no merge {REFUSED}" in loopin("persons", "unmerge", REFUSED).refused()
    assert "has been undone already" in loopin("persons", "unmerge", UNMERGED).refused()


def test_unmerge_waits_for_the_decision(
    loopin: Loopin, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(persons, "DECIDED_S", 0.1)
    topics.journal(record(MERGED, "merged", "a"))
    asked = loopin("persons", "unmerge", MERGED)
    assert (asked.code, asked.out) == (0, "")
    assert "a stream worker undoes it" in asked.err
    # What a worker will say of the next requests, which are at offsets 1 and 2.
    topics.journal(record("5", "unmerged", "a", link_offset=1))
    assert loopin("persons", "unmerge", MERGED).out == "Undone: a is a person of its own.\n"
    topics.journal(record("6", "refused", "a", reason="no_such_merge", link_offset=2))
    assert "There is no merge" in loopin("persons", "unmerge", MERGED).refused()
