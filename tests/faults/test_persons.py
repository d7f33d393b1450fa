"""The oracle of persons, on requests few enough to be worked out by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.faults.oracle import Good, RawRecord, WindowKey, active_users, expected
from tests.faults.persons import (
    MAX_IDS,
    Asked,
    Link,
    Member,
    Merge,
    Persons,
    Told,
    asked,
    disordered,
    expected_persons,
)
from tests.faults.stored_persons import LARGEST, person_properties

NOON = 1_790_000_000_000 - 1_790_000_000_000 % 86_400_000 + 43_200_000
"""Noon of some day, UTC."""


def event(user: str, name: str = "click", at: int = NOON, **properties: object) -> bytes:
    fields = {"project": "p", "event": name, "distinct_id": user, "timestamp": at, "properties": properties}
    return json.dumps(fields).encode()


def good(*bodies: bytes) -> list[Good]:
    """The events of a log of one partition."""
    log = [RawRecord(0, offset, NOON, body) for offset, body in enumerate(bodies)]
    return expected(log, {}).good


def decided(*requests: tuple[str, str, str | None]) -> Persons:
    """What becomes of requests: a kind, a distinct_id and another id."""
    links = [Link(at, (0, at), Asked("p", *request)) for at, request in enumerate(requests)]
    return expected_persons([], links)


def outcomes(found: Persons) -> dict[int, str]:
    """By request, how it was decided: the reason of a refusal."""
    return {at: merge.told.reason or merge.told.outcome for at, (merge,) in found.decisions.items()}


def ids(found: Persons) -> dict[str, set[str]]:
    return {name: set(member.ids) for (_, name), member in found.members.items()}


def test_an_anonymous_id_becomes_the_user_s() -> None:
    found = decided(("identify", "u", "a"))

    merge = Merge(Told("p", "identify", "merged", "", "u", "a", "u"), frozenset({"a"}), frozenset({"u"}))
    assert found.decisions == {0: (merge,)}
    assert found.merges == {merge: 1}
    assert found.members == {("p", "u"): Member(frozenset({"u", "a"}), frozenset({"u"}))}
    assert found.names == {("p", "a"): "u"}


def test_who_is_joined_already_is_not_joined_again() -> None:
    assert outcomes(decided(("identify", "u", "a"), ("alias", "u", "a"), ("alias", "a", "u"))) == {
        0: "merged"
    }


def test_without_another_id_an_identify_says_only_that_one_is_a_user_s() -> None:
    found = decided(("identify", "u", None), ("identify", "v", None))

    assert (found.decisions, ids(found)) == ({}, {"u": {"u"}, "v": {"v"}})


def test_the_second_who_claims_an_id_is_refused() -> None:
    found = decided(("identify", "u", "a"), ("identify", "v", "a"), ("identify", "v", "a"))

    assert outcomes(found) == {0: "merged", 1: "already_identified", 2: "already_identified"}
    assert ids(found) == {"u": {"u", "a"}, "v": {"v"}}
    assert sorted(found.merges.values()) == [1, 1], "a refusal that repeats is one"


@pytest.mark.parametrize(("kind", "outcome"), [("alias", "already_identified"), ("merge", "merged")])
def test_an_identified_one_is_merged_dangerously_only(kind: str, outcome: str) -> None:
    found = decided(("identify", "u", "a"), ("identify", "v", "b"), (kind, "v", "a"))

    assert outcomes(found)[2] == outcome
    if outcome == "merged":
        assert ids(found) == {"v": {"v", "b", "u", "a"}}
        assert found.names == dict.fromkeys([("p", "a"), ("p", "b"), ("p", "u")], "v")
        assert found.decisions[2][0].moved == {"u", "a"}
        assert found.decisions[2][0].kept == {"v", "b"}


def test_a_granted_alias_makes_its_user_identified_and_a_person_keeps_its_name() -> None:
    found = decided(("alias", "u", "x"), ("alias", "x", "y"), ("alias", "v", "y"))

    assert outcomes(found) == {0: "merged", 1: "merged", 2: "already_identified"}
    assert found.members == {("p", "u"): Member(frozenset({"u", "x", "y"}), frozenset({"u", "x"}))}


def test_a_person_has_at_most_so_many_ids() -> None:
    found = decided(*(("alias", "u", f"x{number}") for number in range(MAX_IDS)))

    assert list(outcomes(found).values()) == ["merged"] * (MAX_IDS - 1) + ["too_many_ids"]


def test_projects_have_persons_of_their_own() -> None:
    links = [Link(at, (0, at), Asked(project, "identify", "u", "a")) for at, project in enumerate("pq")]

    assert expected_persons([], links).names == {("p", "a"): "u", ("q", "a"): "u"}


def test_what_names_no_id_is_refused() -> None:
    found = expected_persons([], [Link(7, (0, 0), Asked("p", "alias", "u", None, wrong=True))])

    assert outcomes(found) == {7: "other_id_invalid"}


@pytest.mark.parametrize(
    ("name", "properties", "wanted"),
    [
        ("$identify", {"$anon_distinct_id": "a"}, Asked("p", "identify", "u", "a")),
        ("$identify", {}, Asked("p", "identify", "u", None)),
        ("$identify", {"$anon_distinct_id": "undefined"}, Asked("p", "identify", "u", None, wrong=True)),
        ("$create_alias", {"alias": "a"}, Asked("p", "alias", "u", "a")),
        ("$create_alias", {}, Asked("p", "alias", "u", None, wrong=True)),
        ("$merge_dangerously", {"alias": "a"}, Asked("p", "merge", "u", "a")),
        ("click", {"alias": "a"}, None),
    ],
)
def test_what_events_ask_for(name: str, properties: dict[str, Any], wanted: Asked | None) -> None:
    [found] = good(event("u", name, **properties))

    assert asked(found) == wanted
    assert expected_persons([found], []).requests == ({((0, 0), wanted): 1} if wanted else {})


def test_requests_of_a_partition_keep_their_order() -> None:
    about = Asked("p", "identify", "u", None)

    def log(*places: tuple[int, int]) -> list[Link]:
        return [Link(at, place, about) for at, place in enumerate(places)]

    assert disordered(log((0, 1), (1, 5), (0, 2), (1, 9))) == 0
    assert disordered(log((0, 2), (1, 5), (0, 1), (1, 9))) == 1


def test_events_count_for_the_person_whenever_they_were() -> None:
    events = good(event("a"), event("u"), event("a"), event("b"))

    found = expected_persons(events, [Link(0, (0, 9), Asked("p", "identify", "u", "a"))])

    assert found.events == {("p", "u"): 2}
    day = WindowKey("p", "active_users", "", "", "day", NOON - 43_200_000)
    assert active_users(events, {})[day] == 3
    assert active_users(events, found.names)[day] == 2


@pytest.mark.parametrize(
    ("writes", "value"),
    [
        pytest.param([(1, "$set", "x"), (2, "$set", "y")], "y", id="the last set"),
        pytest.param([(2, "$set", "x"), (1, "$set", "y")], "x", id="by event time"),
        pytest.param([(1, "$set", "x"), (1, "$set", "y")], "y", id="or the one that came later"),
        pytest.param([(1, "$set_once", "x"), (2, "$set_once", "y")], "x", id="the first set once"),
        pytest.param([(2, "$set_once", "x"), (1, "$set_once", "y")], "y", id="by event time, too"),
        pytest.param([(2, "$set", "x"), (1, "$set_once", "y")], "x", id="while nothing is set"),
        pytest.param([(1, "$set", "x"), (2, "$unset", "")], None, id="unset"),
        pytest.param([(2, "$set", "x"), (1, "$unset", "")], "x", id="unset before"),
        pytest.param([(1, "$set_once", "x"), (2, "$unset", "")], None, id="once, unset"),
        pytest.param([(1, "$unset", ""), (2, "$set_once", "x")], "x", id="unset, once"),
        pytest.param(
            [(1, "$set_once", "x"), (2, "$unset", ""), (3, "$set_once", "y")], None, id="once is once"
        ),
    ],
)
def test_a_property_in_the_end(writes: list[tuple[int, str, str]], value: str | None) -> None:
    given = [{way: ["plan"] if way == "$unset" else {"plan": each}} for _, way, each in writes]
    users = ["a" if at % 2 else "u" for at, _, _ in writes]
    times = [NOON + at for at, _, _ in writes]
    events = good(*(event(u, "click", at, **g) for u, at, g in zip(users, times, given, strict=True)))

    found = expected_persons(events, [Link(0, (0, 9), Asked("p", "identify", "u", "a"))])

    assert found.properties == ({("p", "u"): {"plan": json.dumps(value)}} if value else {})


def test_what_an_event_sets_and_unsets_is_unset() -> None:
    events = good(event("u", "click", NOON, **{"$set": {"plan": "x", "n": 1}, "$unset": ["plan"]}))

    assert expected_persons(events, []).properties == {("p", "u"): {"n": "1"}}


@pytest.mark.parametrize(
    ("registers", "value"),
    [
        pytest.param([("u", "set", "1", 5), ("a", "set", "2", 7)], "2", id="the last of all ids"),
        pytest.param([("u", "once", "1", LARGEST - 5), ("a", "once", "2", LARGEST - 3)], "2", id="the first"),
        pytest.param([("u", "set", "1", 5), ("a", "once", "2", LARGEST - 9)], "1", id="set counts"),
        pytest.param([("u", "set", "", 5), ("a", "once", "2", LARGEST - 9)], "2", id="unset before"),
        pytest.param([("u", "set", "", 9), ("a", "once", "2", LARGEST - 5)], None, id="unset after"),
        pytest.param([("u", "set", "", 5), ("u", "once", "2", LARGEST - 5)], None, id="unset at once"),
    ],
)
def test_stored_properties_are_read_by_person(
    registers: list[tuple[str, str, str, int]], value: str | None
) -> None:
    rows = [
        {"project": "p", "distinct_id": user, "property": "n", "register": kept, "newest": newest, "at": at}
        for user, kept, newest, at in registers
    ]

    assert person_properties(rows, {("p", "a"): "u"}) == ({("p", "u"): {"n": value}} if value else {})
