"""Who is one person, against a plain computation over all requests so far."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopin_schemas.codec import encode
from loopin_schemas.identity import LinkKind
from loopin_streams.identity.components import MAX_IDS
from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.kafka.marker import Marker
from tests.streams.enrich.drafts import RECEIVED_MS, TOPIC_ID
from tests.streams.identity.journal import Journal, merge_id
from tests.streams.identity.plain import Joined, Plain

IDS = ["a", "b", "c", "d", "e", "f"]
PROJECTS = ["demo", "shop"]

asked = st.tuples(
    st.sampled_from(["identify", "alias", "merge"]),
    st.sampled_from(PROJECTS),
    st.sampled_from(IDS),
    st.sampled_from([*IDS, None]),
)
taken_back = st.tuples(st.just("unmerge"), st.integers(0, 40))
restarted = st.tuples(st.just("restart"), st.booleans())


@settings(max_examples=300)
@given(st.lists(asked | taken_back | restarted, max_size=40))
def test_whatever_is_asked_persons_are_those_of_the_links_that_stand(steps: list[tuple[Any, ...]]) -> None:
    plain, journal = Plain(), Journal()
    merges: list[Joined] = []
    for step in steps:
        if step[0] == "restart":
            journal.restart(compacted=step[1])
        elif step[0] == "unmerge":
            if not merges:
                continue
            link = merges[step[1] % len(merges)]
            found = journal.ask("unmerge", link.distinct_id, project=link.project, merge_id=link.id)
            assert found is not None
            assert plain.take_back(link.id) == found.get("reason", found["outcome"])
            assert found["outcome"] == "refused" or found["id"] == link.id
        else:
            kind, project, distinct_id, other = step
            link = Joined(merge_id(journal.marker.position + 1), project, distinct_id, other or distinct_id)
            expected = plain.ask(link, kind)
            found = journal.ask(kind, distinct_id, other, project=project)
            assert expected == (found and found.get("reason", found["outcome"]))
            if expected == "merged":
                merges.append(link)
        _assert_same(journal, plain)


def _assert_same(journal: Journal, plain: Plain) -> None:
    held, mapping = journal.held(), journal.mapping()
    for project in PROJECTS:
        for each in IDS:
            group = plain.person(project, each)
            person = journal.absorber.persons.of(project, each)
            assert (person.distinct_ids[0], frozenset(person.distinct_ids)) == group
            assert len(person.distinct_ids) == len(group.ids)
            assert {person.distinct_ids[at] for at in person.identified} == {
                each for each in group.ids if (project, each) in plain.users
            }
            assert mapping.get((project, each), each) == group.name
            assert (f"{project}:{each}" in held) == (
                each == group.name and (len(group.ids) > 1 or person.revision > 0)
            )


def test_an_anonymous_id_becomes_the_users() -> None:
    journal = Journal()
    found = journal.ask("identify", "user", "anon", event_uuid="e1")
    assert found == {
        "id": merge_id(1),
        "project": "demo",
        "kind": "identify",
        "outcome": "merged",
        "distinct_id": "user",
        "other": "anon",
        "person": "user",
        "moved": ["anon"],
        "kept": ["user"],
        "event_uuid": "e1",
        "event_at": RECEIVED_MS - 1000,
        "decided_at": RECEIVED_MS,
        "revision": RECEIVED_MS,
        "link_offset": 0,
    }
    assert journal.held() == {
        "demo:user": {
            "distinct_ids": ["user", "anon"],
            "identified": [0],
            "links": [[merge_id(1), 0, 1]],
            "revision": RECEIVED_MS,
        }
    }
    assert journal.ask("identify", "user", "anon") is None, "a client says it at every page"


def test_a_user_is_not_joined_to_another_by_accident() -> None:
    journal = Journal()
    journal.ask("identify", "u1")
    journal.ask("identify", "u2", "anon")
    for kind, other in (("identify", "u1"), ("alias", "u1")):
        refused = journal.ask(kind, "u2", other)  # type: ignore[arg-type]  # both are kinds
        assert refused is not None
        assert (refused["outcome"], refused["reason"]) == ("refused", "already_identified")
        assert "moved" not in refused
    # A shared machine: the next user's anonymous id is the one of the user before.
    assert journal.ask("identify", "u3", "anon")["reason"] == "already_identified"  # type: ignore[index]
    assert journal.marker.counts.dropped == {"already_identified": 3}
    granted = journal.ask("merge", "u2", "u1")
    assert granted is not None
    assert granted["outcome"] == "merged"
    assert journal.absorber.persons.of("demo", "u1").distinct_ids == ["u2", "anon", "u1"]


def test_a_refusal_that_repeats_is_one() -> None:
    journal = Journal()
    journal.ask("identify", "u1")
    ids = {journal.ask("identify", "u2", "u1")["id"] for _ in range(3)}  # type: ignore[index]
    ids |= {journal.ask("identify", "u3", "u1")["id"]}  # type: ignore[index]
    assert len(ids) == 2


def test_what_was_the_target_of_an_alias_is_a_user() -> None:
    journal = Journal()
    journal.ask("alias", "u1", "anon")
    assert journal.ask("alias", "u2", "u1")["reason"] == "already_identified"  # type: ignore[index]


@pytest.mark.parametrize("kind", ["identify", "alias", "merge"])
def test_what_is_no_id_is_refused_and_said(kind: LinkKind) -> None:
    journal = Journal()
    found = journal.ask(kind, "u1", problem="distinct_id_forbidden")
    assert found is not None
    assert (found["outcome"], found["reason"], found["other"]) == ("refused", "other_id_invalid", "")
    assert journal.absorber.persons.of("demo", "u1").identified == ([0] if kind == "identify" else [])


def test_a_person_has_a_bounded_number_of_ids() -> None:
    journal = Journal()
    for number in range(1, MAX_IDS):
        assert journal.ask("alias", "u", f"a{number}")["outcome"] == "merged"  # type: ignore[index]
    assert journal.ask("alias", "u", "one more")["reason"] == "too_many_ids"  # type: ignore[index]
    assert max(len(value or b"") for _, value in journal.persons) < 1_000_000
    first = journal.merges[0]
    taken = journal.ask("unmerge", "u", merge_id=first["id"])
    assert taken is not None
    assert (taken["moved"], len(taken["kept"])) == (["a1"], MAX_IDS - 1)
    assert journal.ask("alias", "u", "one more")["outcome"] == "merged"  # type: ignore[index]


def test_revisions_grow_also_when_the_clock_goes_back() -> None:
    journal = Journal()
    journal.ask("identify", "u1", "anon")
    journal.ask("unmerge", "u1", merge_id=merge_id(1))
    journal.absorb(
        encode(
            {
                "id": merge_id(9),
                "project": "demo",
                "kind": "identify",
                "distinct_id": "u2",
                "other": "anon",
                "timestamp": 0,
            }
        ),
        at=RECEIVED_MS - 60_000,
    )
    assert [merge["revision"] - RECEIVED_MS for merge in journal.merges] == [0, 1, 2]
    assert journal.mapping()["demo", "anon"] == "u2"


def test_what_cannot_be_read_is_left_out_and_counted() -> None:
    journal = Journal()
    journal.absorb(b"{", None, b"{}")
    assert journal.marker.counts.dropped == {"unreadable": 3}


def test_a_request_of_a_newer_release_waits_for_it() -> None:
    with pytest.raises(RefusedToOpen, match=r"identity\.links was written by a newer version"):
        Journal().absorb(b'{"version": 2}')


@pytest.mark.parametrize(
    ("value", "code"),
    [(b"\xff{", "state_unreadable"), (b'{"version": 2, "distinct_ids": 1}', "state_version")],
)
def test_a_person_that_cannot_be_read_is_refused(value: bytes, code: str) -> None:
    journal = Journal()
    journal.ask("identify", "u1", "anon")
    journal.persons.append((b"demo:u1", value))
    with pytest.raises(RefusedToOpen, match=r"persons.*loopin state rebuild identity") as refusal:
        journal.restart()
    assert refusal.value.code == code
    journal.persons.append((b"demo:u1", b'{"distinct_ids": ["u1", "anon"]}'))
    journal.restart()


def test_persons_that_are_missing_are_noticed() -> None:
    journal = Journal()
    journal.ask("identify", "u1", "anon")
    journal.persons.clear()
    with pytest.raises(RefusedToOpen) as refusal:
        journal.restart()
    assert refusal.value.code == "state_incomplete"
    journal.marker = Marker(topic_id=TOPIC_ID, position=1)
    journal.restart()
    assert journal.absorber.holds() == {"distinct_ids": 0}
    assert journal.absorber.idle(1, None) is None
    journal.absorber.close()
