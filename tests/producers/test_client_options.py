"""The client's options: what leaves events out, what changes them, and who is told."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import UTC, datetime
from enum import IntEnum
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import numpy as np
import pytest
from posthog import Posthog

import loopin_producers
from loopin_producers import EventRefused, InvalidConfiguration, Loopin, LoopinError, default, new_context
from loopin_producers.captured import captured
from loopin_producers.context import (
    context_distinct_id,
    context_tags,
    identify_context,
    identify_context_by,
    set_context_session,
    tag,
)
from loopin_producers.event_types import FILE, source
from loopin_producers.events import Pageview, TicketPurchased, WebVitals
from loopin_producers.guard import Guard
from loopin_producers.spool import SpooledRecord
from loopin_schemas import InvalidEvent
from loopin_schemas.catalogue import CATALOGUE, by_name
from loopin_schemas.sampling import SAMPLED_OUT, sampled
from loopin_schemas.validation import decode_event
from loopin_streams.enrich.steps.sampling import sample_users
from tests.streams.enrich.drafts import context as pipeline_context
from tests.streams.enrich.drafts import draft_before

NOBODY = "127.0.0.1:1"
Sent = list[dict[str, Any]]
Make = Callable[..., tuple[Loopin, Sent]]


class Count:
    """Of a class of the caller's, with Python's own way of saying that it is an integer."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __index__(self) -> int:
        return self._count


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    """``make(**options)``: a client, and the events that it sends."""

    def making(**options: Any) -> tuple[Loopin, Sent]:
        client, sent = Loopin(NOBODY, "shop", **options), []

        def keep(record: SpooledRecord) -> None:
            assert record.key == f"shop:{json.loads(record.value)['distinct_id']}".encode()
            decode_event(record.value)
            event = json.loads(record.value)
            assert event["properties"].pop("$lib") == "loopin-python"
            assert event["properties"].pop("$lib_version") == version("loopin-analytics")
            sent.append(event)

        monkeypatch.setattr(client._connection, "deliver", keep)
        return client, sent

    return making


def test_conventions_are_posthogs(make: Make) -> None:
    client, sent = make()
    client.identify("user-1", {"plan": "gold"}, anonymous_id="anon-1")
    client.alias("old-1", "user-1")
    client.set("user-1", {"city": "Pune"})
    client.set_once("user-1", {"first_seen_at": "2026-01-01"})
    client.group_identify("company", "acme", {"size": 7})
    client.group_identify("company", "acme", distinct_id="user-1")
    client.capture("click", "user-1", groups={"company": "acme"})
    assert [(one["event"], one["distinct_id"], one["properties"]) for one in sent] == [
        ("$identify", "user-1", {"$anon_distinct_id": "anon-1", "$set": {"plan": "gold"}}),
        ("$create_alias", "user-1", {"alias": "old-1"}),
        ("$set", "user-1", {"$set": {"city": "Pune"}}),
        ("$set", "user-1", {"$set_once": {"first_seen_at": "2026-01-01"}}),
        (
            "$groupidentify",
            "$company_acme",
            {"$group_type": "company", "$group_key": "acme", "$group_set": {"size": 7}},
        ),
        (
            "$groupidentify",
            "user-1",
            {"$group_type": "company", "$group_key": "acme", "$group_set": {}},
        ),
        ("click", "user-1", {"$groups": {"company": "acme"}}),
    ]


class Number(IntEnum):
    ANN = 17


@pytest.mark.parametrize(
    ("user", "text"), [(17, "17"), (UUID(int=17), str(UUID(int=17))), (Number.ANN, "17")]
)
def test_ids_are_numbers_and_uuids_as_databases_have_them(make: Make, user: Any, text: str) -> None:
    client, sent = make()
    client.capture("click", user, groups={"company": user}, session_id=user)
    client.capture(TicketPurchased(amount=1.0), user)
    client.identify(user, anonymous_id=user)
    client.alias(user, user)
    client.set(user, {"a": 1})
    client.set_once(user, {"a": 1})
    client.group_identify("company", user)
    client.group_identify("company", "acme", distinct_id=user)
    with new_context():
        identify_context(user)
        set_context_session(user)
        client.capture("click")
        assert context_distinct_id() == text
    with new_context():
        identify_context_by(lambda: user)
        client.capture("click")

    @captured("report_built", distinct_id=lambda who: who, client=client)
    def build(who: Any) -> None: ...

    build(user)
    assert [one["distinct_id"] for one in sent] == [text] * 6 + [f"$company_{text}"] + [text] * 4
    assert sent[0]["properties"] == {"$groups": {"company": text}}
    assert (sent[0]["session_id"], sent[8]["session_id"]) == (text, text)
    assert sent[2]["properties"]["$anon_distinct_id"] == sent[3]["properties"]["alias"] == text
    assert sent[6]["properties"]["$group_key"] == text


def test_the_library_is_named_as_posthogs_sdk_names_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    posthogs: list[dict[str, Any]] = []
    posthog = Posthog("k", host=f"http://{NOBODY}", sync_mode=True, before_send=posthogs.append)
    posthog.capture("click", distinct_id="user-1", properties={"a": 1})
    names = {name for name in posthogs[0]["properties"] if name.startswith("$lib")}
    client, sent = Loopin(NOBODY, "shop"), []
    monkeypatch.setattr(client._connection, "deliver", lambda one: sent.append(json.loads(one.value)))
    own = {"$lib": "loopin-python", "$lib_version": version("loopin-analytics")}
    assert own.keys() == names
    client.capture("click", "user-1")
    client.capture("click", "user-1", {"a": 1}, groups={"company": "acme"})
    client.capture("click", "user-1", {"$lib": "bridge", "$lib_version": "7"})
    with new_context():
        tag("$lib", "worker")
        client.capture("click", "user-1")
    assert [one["properties"] for one in sent] == [
        own,
        {"a": 1, "$groups": {"company": "acme"}, **own},
        {"$lib": "bridge", "$lib_version": "7"},
        {"$lib": "worker"},
    ]


def test_context_names_the_user_the_session_and_tags(make: Make) -> None:
    client, sent = make(super_properties={"app": "web", "plan": "free"})
    with new_context():
        identify_context("user-1")
        set_context_session("session-1")
        tag("plan", "gold")
        tag("page", "home")
        client.capture("click", properties={"page": "shop"})
        with new_context():
            identify_context("user-2")
            tag("inner", 1)
            client.capture("click")
        with new_context(fresh=True):
            client.capture("click", "user-3")
        client.capture("click", "user-4", session_id="session-4")
        client.reset()
        client.capture("click", "user-5")
    assert [(one["distinct_id"], one.get("session_id")) for one in sent] == [
        ("user-1", "session-1"),
        ("user-2", "session-1"),
        ("user-3", None),
        ("user-4", "session-4"),
        ("user-5", None),
    ]
    assert [one["properties"] for one in sent] == [
        {"app": "web", "plan": "gold", "page": "shop"},
        {"app": "web", "plan": "gold", "page": "home", "inner": 1},
        {"app": "web", "plan": "free"},
        {"app": "web", "plan": "gold", "page": "home"},
        {"app": "web", "plan": "free"},
    ]
    assert (context_distinct_id(), context_tags()) == (None, {})
    tag("nobody", 1)  # outside a context: nothing, as with PostHog's
    assert context_tags() == {}


def test_a_context_may_be_a_decorator_and_holds_for_each_call(make: Make) -> None:
    client, sent = make()

    @new_context()
    def handle(depth: int) -> None:
        tag("depth", depth)
        if depth:
            handle(depth - 1)
        client.capture("click", "user-1")

    handle(2)
    assert [one["properties"] for one in sent] == [{"depth": depth} for depth in (0, 1, 2)]
    assert context_tags() == {}


async def test_context_follows_tasks_and_what_they_set_is_seen_outside(make: Make) -> None:
    import asyncio

    client, sent = make()

    async def handle(user: str) -> None:
        with new_context():
            identify_context(user)
            await asyncio.sleep(0)
            await asyncio.to_thread(tag, "thread", user)
            client.capture("click")

    await asyncio.gather(*(handle(f"user-{number}") for number in range(20)))
    assert sorted(one["distinct_id"] for one in sent) == sorted(f"user-{number}" for number in range(20))
    assert all(one["properties"] == {"thread": one["distinct_id"]} for one in sent)


def test_nobody_in_particular_makes_no_person(make: Make) -> None:
    client, sent = make()
    client.capture("click", properties={"a": 1})
    client.capture("click")
    assert all(UUID(one["distinct_id"]).version == 7 for one in sent)
    assert len({one["distinct_id"] for one in sent}) == 2
    assert [one["properties"] for one in sent] == [
        {"$process_person_profile": False, "a": 1},
        {"$process_person_profile": False},
    ]


def test_before_send_changes_and_leaves_out_in_turn(make: Make) -> None:
    seen: list[dict[str, Any]] = []

    def rename(event: dict[str, Any]) -> dict[str, Any] | None:
        seen.append(dict(event))
        if event["event"] == "secret":
            return None
        return {**event, "properties": {**event["properties"], "first": True}}

    def second(event: dict[str, Any]) -> dict[str, Any]:
        event["properties"]["second"] = event["properties"].pop("first")
        return event

    client, sent = make(before_send=[rename, second])
    uuid = client.capture("click", "user-1", {"a": 1})
    assert client.capture("secret", "user-1") is None
    assert [(one["uuid"], one["properties"]) for one in sent] == [(uuid, {"a": 1, "second": True})]
    assert seen[0]["uuid"] == uuid
    assert seen[0]["timestamp"] == sent[0]["timestamp"]


def test_before_send_that_raises_drops_the_event_and_says_so(make: Make) -> None:
    errors: list[LoopinError] = []
    dropped: list[tuple[int, str]] = []

    def fail(_: dict[str, Any]) -> dict[str, Any]:
        raise KeyError("email")

    client, sent = make(before_send=fail, on_error=errors.append, on_drop=lambda *told: dropped.append(told))
    assert client.capture("click", "user-1") is None
    assert sent == []
    assert [error.code for error in errors] == ["hook_failed"]
    assert dropped == [(1, "hook_failed")]
    assert client.stats().dropped == 1


def test_callbacks_that_capture_are_not_called_from_within(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []

    def on_error(error: LoopinError) -> None:
        told.append(error.code)
        client.capture("loss", "user-1")

    def on_drop(count: int, code: str) -> None:
        told.append(f"{count} {code}")
        client.capture("loss", "user-1")

    client = Loopin(NOBODY, "shop", spool=False, on_error=on_error, on_drop=on_drop, config={"log_level": 0})
    client.shutdown(0)
    for _ in range(2):
        client.capture("click", "user-1")
    assert told == ["client_closed", "1 client_closed"] * 2
    assert client.stats().dropped == 6
    assert not [record for record in caplog.records if "raised" in record.getMessage()]


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ({}, "returned no event;"),
        ({"event": "click"}, "returned no distinct_id;"),
        ({"event": "", "distinct_id": "u"}, "The event is empty"),
        ({"event": "a", "distinct_id": "u", "sum": 1, "zoo": 2}, "the unknown name 'sum';"),
        ({"event": "a", "distinct_id": "u", 1: 2}, "the unknown name '1';"),
        ("click", "returned a str; return the dict that it got"),
        (True, "returned a bool;"),
        ([{}], "returned a list;"),
    ],
)
def test_before_send_that_returns_no_event_drops_it(make: Make, returned: Any, said: str) -> None:
    errors: list[LoopinError] = []
    client, sent = make(before_send=lambda _: returned, on_error=errors.append)
    assert client.capture("click", "user-1", {"secret": 1}) is None
    assert (sent, [error.code for error in errors]) == ([], ["hook_failed"])
    assert said in errors[0].reason


@pytest.mark.parametrize("moment", [1_798_761_600, 1_798_761_600_000, datetime(2027, 1, 1, tzinfo=UTC)])
def test_before_send_may_give_whatever_time_a_capture_may(make: Make, moment: Any) -> None:
    client, sent = make(before_send=lambda event: {**event, "timestamp": moment})
    client.capture("click", "user-1")
    assert [one["timestamp"] for one in sent] == [1_798_761_600_000]


def test_before_send_sees_and_may_remove_all_properties(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []

    def anonymous(event: dict[str, Any]) -> dict[str, Any]:
        seen.append(event["properties"])
        return {**event, "properties": {"a": 1}}

    client, sent = Loopin(NOBODY, "shop", before_send=anonymous), []
    monkeypatch.setattr(client._connection, "deliver", lambda one: sent.append(json.loads(one.value)))
    client.capture("click", "user-1", {"a": 1})
    client.capture("click", "user-1", {"$lib": "own"})
    known = version("loopin-analytics")
    assert seen == [{"a": 1, "$lib": "loopin-python", "$lib_version": known}, {"$lib": "own"}]
    assert [one["properties"] for one in sent] == [{"a": 1}] * 2


def test_before_send_changes_nothing_of_the_callers(make: Make) -> None:
    def change(event: dict[str, Any]) -> dict[str, Any]:
        event["groups"]["company"] = "other"
        event["properties"]["inner"]["deep"][0]["n"] = 2
        event["properties"]["inner"]["seen"].add("x")
        event["properties"]["inner"]["deep"].append(3)
        return event

    client, sent = make(before_send=change)
    properties: dict[str, Any] = {"inner": {"deep": [{"n": 1}], "seen": set()}}
    groups = {"company": "acme"}
    client.capture("click", "user-1", properties, groups=groups)
    assert (properties, groups) == ({"inner": {"deep": [{"n": 1}], "seen": set()}}, {"company": "acme"})
    assert sent[0]["properties"] == {
        "inner": {"deep": [{"n": 2}, 3], "seen": ["x"]},
        "$groups": {"company": "other"},
    }


def test_opted_out_users_are_left_out(make: Make) -> None:
    for opt_out in ({"user-1"}, ["user-1"], lambda user: user == "user-1"):
        client, sent = make(opt_out=opt_out)
        assert client.capture("click", "user-1") is None
        assert client.capture("click", "user-2")
        assert [one["distinct_id"] for one in sent] == ["user-2"]


def test_collections_of_opted_out_users_hold_ids_as_the_program_has_them(make: Make) -> None:
    user = UUID(int=5)
    asked: set[Any] = {17}
    client, sent = make(opt_out=asked)
    assert client.capture("click", 17) is client.capture("click", "17") is None
    assert client.capture("click", user)
    assert client.capture("click", "017")
    asked.add(user)
    assert client.capture("click", str(user)) is None
    assert [one["distinct_id"] for one in sent] == [str(user), "017"]


@pytest.mark.parametrize("former", ["visitor-3", 3])
def test_who_opted_out_under_a_former_id_has_opted_out(make: Make, former: Any) -> None:
    client, sent = make(opt_out=[former])
    assert client.identify("user-1", {"plan": "gold"}, anonymous_id=former) is None
    assert client.alias(former, "user-1") is None
    assert client.identify("user-1", anonymous_id="visitor-4")
    assert client.alias("visitor-4", "user-1")
    assert len(sent) == 2
    errors: list[LoopinError] = []
    client, sent = make(opt_out=lambda user: {}[user], on_error=errors.append)
    assert client.alias("visitor-3", "user-1") is None
    assert (sent, [error.code for error in errors]) == ([], ["hook_failed"])


def test_opt_out_that_raises_tracks_nobody_and_says_so(make: Make) -> None:
    errors: list[LoopinError] = []

    def fail(_: str) -> bool:
        raise ConnectionError("the consent service is away")

    client, sent = make(opt_out=fail, on_error=errors.append)
    assert client.capture("click", "user-1") is None
    assert (sent, [error.code for error in errors]) == ([], ["hook_failed"])


def test_sampling_keeps_whole_users_at_the_rate(make: Make) -> None:
    client, sent = make(sample_rate=0.3)
    for user in range(2000):
        for _ in range(2):
            client.capture("click", f"user-{user}")
    kept = {one["distinct_id"] for one in sent}
    assert len(sent) == 2 * len(kept)
    # Within five standard deviations of a binomial's mean.
    assert abs(len(kept) - 600) < 5 * (2000 * 0.3 * 0.7) ** 0.5
    assert kept == {f"user-{user}" for user in range(2000) if sampled("shop", f"user-{user}", 0.3)}
    assert {user for user in kept if sampled("shop", user, 0.1)} == {
        f"user-{user}" for user in range(2000) if sampled("shop", f"user-{user}", 0.1)
    }
    assert not sampled("shop", "user-1", 0)


def test_who_is_one_person_does_not_depend_on_the_sample(make: Make) -> None:
    client, sent = make(sample_rate=0)
    client.capture("click", "user-1")
    client.identify("user-1", anonymous_id="visitor-1")
    client.alias("visitor-2", "user-1")
    client.identify("user-1")
    assert [(event["event"], event["properties"]) for event in sent] == [
        ("$identify", {"$anon_distinct_id": "visitor-1", "$set": {}, SAMPLED_OUT: True}),
        ("$create_alias", {"alias": "visitor-2", SAMPLED_OUT: True}),
        ("$identify", {"$set": {}, SAMPLED_OUT: True}),
    ]


def test_before_send_undoes_no_sample(make: Make) -> None:
    """What it takes away and what it renames: nothing is sent that would be stored."""

    def allow_list(event: dict[str, Any]) -> dict[str, Any]:
        return {**event, "properties": {k: v for k, v in event["properties"].items() if k == "plan"}}

    def rename(event: dict[str, Any]) -> dict[str, Any]:
        return {**event, "event": "signed_in" if event["event"] == "$identify" else event["event"]}

    client, sent = make(sample_rate=0, before_send=rename)
    assert client.identify("user-1", anonymous_id="visitor-1") is None
    assert client.alias("visitor-2", "user-1")
    assert [(one["event"], one["properties"]) for one in sent] == [
        ("$create_alias", {"alias": "visitor-2", SAMPLED_OUT: True})
    ]
    for plan, left in (({"plan": "x"}, {"plan": "x", SAMPLED_OUT: True}), ({}, {SAMPLED_OUT: True})):
        kept: list[Any] = []
        client, _ = make(sample_rate=0, before_send=allow_list)
        monkeyed = patch.object(
            client._connection, "deliver", lambda one, kept=kept: kept.append(json.loads(one.value))
        )
        with monkeyed:
            client.capture("$identify", "user-1", plan)
        assert [one["properties"] for one in kept] == [left]


def test_a_user_outside_the_sample_is_no_active_one(make: Make) -> None:
    """As the pipeline's own step decides: what links is forwarded, and nothing is stored."""
    for options in ({}, {"before_send": lambda event: event}):
        client, sent = make(sample_rate=0.2, **options)
        for number in range(50):
            user = f"user-{number}"
            client.identify(user, {"plan": "gold"})
            client.set(user, {"plan": "gold"})
            client.capture("click", user)
            client.identify(user, anonymous_id=f"visitor-{number}")
        assert len(sent) > 50
        drafts = [
            draft_before("sampling", json.dumps(one).encode(), received=one["timestamp"]) for one in sent
        ]
        sample_users(drafts, pipeline_context())
        stored = [draft.event.distinct_id for draft in drafts if draft.outcome is None]
        kept = {f"user-{number}" for number in range(50) if sampled("shop", f"user-{number}", 0.2)}
        assert 0 < len(kept) < 50
        assert stored == [user for user in sorted(kept, key=lambda user: int(user[5:])) for _ in range(4)]


@pytest.mark.parametrize("key", [np.int64(17), np.uint8(17), Count(17)])
def test_whatever_stands_for_an_integer_is_an_id(make: Make, key: Any) -> None:
    client, sent = make()
    client.capture("click", key, session_id=key, groups={"company": key})
    client.identify(key, anonymous_id=key)
    client.group_identify("company", key, distinct_id=key)
    with new_context():
        identify_context(key)
        client.capture("click")
    assert [one["distinct_id"] for one in sent] == ["17"] * 4
    assert (sent[0]["session_id"], sent[0]["properties"]) == ("17", {"$groups": {"company": "17"}})
    assert sent[1]["properties"]["$anon_distinct_id"] == sent[2]["properties"]["$group_key"] == "17"


def test_a_group_without_a_key_that_is_one_costs_no_event(make: Make) -> None:
    client, sent = make()
    keys: list[Any] = ["", 17.0, float("nan")]
    for key in keys:
        assert client.capture("ticket_purchased", "user-1", {"amount": 1}, groups={"company": key, "city": 7})
    assert [one["properties"] for one in sent] == [{"amount": 1, "$groups": {"city": "7"}}] * 3
    assert client.stats().dropped == 0


def test_personal_data_and_private_words_stay_here(make: Make) -> None:
    client, sent = make()
    client.capture(
        "click", "user-1", {"note": "write to ann@example.com", "nested": {"to": "ann@example.com"}}
    )
    client.capture("message_sent", "user-1", {"text": "I love this wonderful place", "room": 7})
    assert sent[0]["properties"] == {"note": "write to [email]", "nested": {"to": "[email]"}}
    assert sent[1]["properties"]["$text_length"] == 27
    assert sent[1]["properties"]["$sentiment"] > 0.5
    assert set(sent[1]["properties"]) == {"$text_length", "$sentiment", "room"}
    client, sent = make(scrub=("card",), scrub_except=("reference",))
    client.capture("click", "user-1", {"note": "ann@example.com", "n": "4111 1111 1111 1111"})
    client.capture("click", "user-1", {"reference": "4111111111111111"})
    assert sent[0]["properties"] == {"note": "ann@example.com", "n": "[card]"}
    assert sent[1]["properties"] == {"reference": "4111111111111111"}


@pytest.mark.parametrize("event", ["message_sent", "Message Sent", " MESSAGE_SENT", "message"])
def test_words_stay_here_under_whatever_name(make: Make, event: str) -> None:
    client, sent = make()
    client.capture(event, "user-1", {"body": "I love it", "nested": [{"Text": "so much"}], "room": 7})
    client.capture(TypedName(event), "user-1", {"body": "I love it", "room": 7})
    client.capture("community_activity", "user-1", {"activity_type": "Message", "note": "I love it"})
    assert [one["properties"]["$text_length"] for one in sent] == [16, 9, 9]
    assert "love" not in str(sent)
    assert "so much" not in str(sent)
    client.capture("click", "user-1", {"body": "I love it"})
    assert sent[-1]["properties"] == {"body": "I love it"}


def test_words_stay_here_whatever_is_said_of_person_and_groups(make: Make) -> None:
    client, sent = make()
    person = {"text": "goodbye", "last_message": "goodbye", "mood": "goodbye", "plan": "club"}
    said = {"$set": person, "$set_once": person, "$unset": ["goodbye", "trial"]}
    groups: dict[str, str | int | UUID | None] = {"company": "Acme Inc", "goodbye": 1}
    client.capture("message_sent", "user-1", {"text": "goodbye", **said}, groups=groups)
    assert "goodbye" not in str(sent)
    assert (
        sent[0]["properties"].items()
        >= {
            "$set": {"plan": "club"},
            "$set_once": {"plan": "club"},
            "$unset": ["trial"],
            "$groups": {"company": "Acme Inc"},
        }.items()
    )


class TypedName(str):
    """A name of a class of the caller's own."""


@pytest.mark.parametrize(("original", "renamed"), [("message_sent", "chat"), ("chat", "message_sent")])
def test_before_send_that_renames_gets_no_words_out(make: Make, original: str, renamed: str) -> None:
    client, sent = make(before_send=lambda event: {**event, "event": renamed})
    client.capture(original, "user-1", {"body": "I love it", "mail": "a@example.com", "room": 7})
    (event,) = sent
    assert event["event"] == renamed
    assert event["properties"].keys() == {"$text_length", "$sentiment", "room"}


def test_before_send_that_renames_leaves_other_events_as_they_are(make: Make) -> None:
    client, sent = make(before_send=lambda event: {**event, "event": "other"})
    client.capture("click", "user-1", {"body": "write to a@example.com"})
    assert sent[0]["properties"] == {"body": "write to [email]"}


READY = """
import os, signal, sys, threading
from loopin_producers import Loopin
assert "loopin_text.sentiment" not in sys.modules
Loopin("127.0.0.1:1", "shop", disabled=True)
assert not [one for one in threading.enumerate() if one.name == "loopin-lexicon"]
client = Loopin("127.0.0.1:1", "shop", before_send=lambda event: None)
child = os.fork()
if child == 0:
    signal.alarm(60)
    client.capture("message_sent", "user-1", {"text": "I love it"})
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
for thread in threading.enumerate():
    if thread.name == "loopin-lexicon":
        thread.join()
assert "loopin_text.sentiment" in sys.modules
"""


def test_what_scores_private_messages_is_loaded_when_the_client_is_made() -> None:
    """In the background, also when the process forks at once."""
    done = subprocess.run([sys.executable, "-c", READY], capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize(
    "options",
    [
        {"url": "http://127.0.0.1:1", "api_key": "lp_w_x"},
        {"sample_rate": 1.5},
        {"sample_rate": -0.1},
        {"before_send": [5]},
        {"sample_rate": "x"},
        {"sample_rate": float("nan")},
        {"before_send": 5},
        {"before_send": "a name"},
        {"opt_out": "user-1"},
        {"opt_out": 5},
        {"super_properties": [("a", 1)]},
        {"scrub": ("emails",)},
        {"scrub": (5,)},
        {"scrub": "email"},
        {"scrub": 5},
        {"scrub_except": "email"},
        {"max_queue_size": "x"},
        {"max_queue_size": 0},
        {"max_queue_size": 1.5},
        {"max_queue_size": 2**31},
        {"flush_interval": -1},
        {"flush_interval": "1"},
        {"flush_interval": 901, "spool": False},
        {"flush_interval": 30.0},
        {"delivery_timeout": -1},
        {"delivery_timeout": 0},
        {"delivery_timeout": 0.0001},
        {"delivery_timeout": 0.01},
        {"delivery_timeout": None},
        {"delivery_timeout": float("inf")},
        {"delivery_timeout": 10**7},
        {"spool_max_bytes": 1000},
        {"spool_max_bytes": "1 GB"},
        {"spool_dir": 5},
        {"on_error": 5},
        {"on_drop": "log"},
        {"on_delivery": 5},
        {"topic_prefix": 5},
        {"config": "acks=all"},
        {"disabled": "no"},
        {"disabled": 0},
        {"debug": "yes"},
        {"durable": 1},
        {"spool": "off"},
        {"durable": True, "spool": False},
        {"durable": True, "spool_dir": "/proc/nowhere"},
    ],
)
def test_options_that_cannot_work_are_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        Loopin(NOBODY, "shop", **options)
    assert caught.value.reason.endswith(".")


@pytest.mark.parametrize(
    "options",
    [
        {"max_queue_size": 2**31 - 1},
        {"flush_interval": 0},
        {"delivery_timeout": 0.011},
        {"flush_interval": 900, "delivery_timeout": 901},
        {"flush_interval": 60, "spool": False},
        {"delivery_timeout": 0.02, "flush_interval": 0.001},
        {"delivery_timeout": 2_147_483},
    ],
)
def test_options_at_their_bounds_deliver(options: dict[str, Any]) -> None:
    """librdkafka takes them: it would say so when the first event makes its producer."""
    errors: list[LoopinError] = []
    client = Loopin(NOBODY, "shop", on_error=errors.append, **options)
    client.capture("click", "user-1")
    assert client.stats().dropped == 0
    client.shutdown(0)
    assert "invalid_configuration" not in [error.code for error in errors]


def test_over_http_the_flush_interval_is_https() -> None:
    """0.5 s where none is given; 0 is one that is given."""
    by_http: dict[str, Any] = {"url": "http://127.0.0.1:1", "api_key": "lp_w_x"}
    faulty: list[dict[str, Any]] = [
        {"delivery_timeout": 0.4},
        {"flush_interval": 0.2, "delivery_timeout": 0.2},
    ]
    for options in faulty:
        with pytest.raises(InvalidConfiguration, match="above flush_interval"):
            Loopin(**by_http, **options)
    for given, used in ((None, 0.5), (0, 0), (0.2, 0.2)):
        client = Loopin(**by_http, flush_interval=given, delivery_timeout=0.6)
        transport: Any = client._ways.transport(lambda: None)
        assert transport._flush_interval == used
        transport.close(0)


def test_one_kind_to_scrub_is_told_how_to_be_given() -> None:
    kind: Any = "email"
    with pytest.raises(InvalidConfiguration, match=r"such as \('email',\)"):
        Loopin(NOBODY, "shop", scrub=kind)


@pytest.mark.parametrize(
    ("method", "arguments", "code", "field"),
    [
        ("identify", ("u", "abc"), "wrong_type", "properties"),
        ("set", ("u", None), "wrong_type", "properties"),
        ("set_once", ("u", ["a"]), "wrong_type", "properties"),
        ("group_identify", (["company"], "acme"), "wrong_type", "group_type"),
        ("group_identify", ("", "acme"), "group_type_empty", "group_type"),
        ("group_identify", (None, "acme"), "missing_field", "group_type"),
        ("group_identify", ("company", "acme", [1]), "wrong_type", "properties"),
    ],
)
def test_statements_of_wrong_types_raise(
    make: Make, method: str, arguments: tuple[Any, ...], code: str, field: str
) -> None:
    client, sent = make()
    with pytest.raises(InvalidEvent) as caught:
        getattr(client, method)(*arguments)
    assert (caught.value.code, caught.value.field) == (code, field)
    assert field in caught.value.reason
    assert sent == []


@pytest.mark.parametrize(
    ("method", "arguments", "options", "problem", "field"),
    [
        ("identify", (None,), {}, "missing_field", "distinct_id"),
        ("identify", ({"id": 17},), {}, "wrong_type", "distinct_id"),
        ("identify", ("u",), {"anonymous_id": 1.5}, "wrong_type", "anonymous_id"),
        ("alias", (1.5, "u"), {}, "wrong_type", "previous_id"),
        ("group_identify", ("company", ["acme"]), {}, "wrong_type", "group_key"),
        ("identify", ("u",), {"anonymous_id": ""}, "anonymous_id_empty", "anonymous_id"),
        ("set", (None, {"a": 1}), {}, "missing_field", "distinct_id"),
        ("set_once", (None, {"a": 1}), {}, "missing_field", "distinct_id"),
        ("alias", ("", "u"), {}, "previous_id_empty", "previous_id"),
        ("alias", (None, "u"), {}, "missing_field", "previous_id"),
        ("alias", ("null", "u"), {}, "previous_id_forbidden", "previous_id"),
        ("alias", ("a", None), {}, "missing_field", "distinct_id"),
        ("group_identify", ("company", None), {}, "missing_field", "group_key"),
        ("group_identify", ("company", ""), {}, "group_key_empty", "group_key"),
        ("group_identify", ("company", "a"), {"distinct_id": ""}, "distinct_id_empty", "distinct_id"),
    ],
)
def test_statements_about_nobody_are_dropped_and_told(
    make: Make, method: str, arguments: tuple[Any, ...], options: dict[str, Any], problem: str, field: str
) -> None:
    errors: list[LoopinError] = []
    client, sent = make(on_error=errors.append)
    assert getattr(client, method)(*arguments, **options) is None
    (error,) = errors
    assert isinstance(error, EventRefused)
    assert (error.problem, error.field, sent) == (problem, field, [])
    assert field in error.reason


def test_the_contexts_user_may_be_meant(make: Make) -> None:
    client, sent = make()
    with new_context():
        identify_context("user-1")
        client.identify(None, {"plan": "gold"})
        client.set(None, {"plan": "gold"})
        client.alias("old-1", None)
    assert [one["distinct_id"] for one in sent] == ["user-1"] * 3


def test_disk_that_cannot_be_used_is_said_and_the_client_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    client = Loopin(NOBODY, "shop", spool_dir="/proc/nowhere", max_queue_size=1)
    client.capture("click", "user-1")
    client.capture("click", "user-1")
    client.shutdown(0)
    assert client.stats().dropped == 1
    assert sum("Nothing is kept on disk" in record.getMessage() for record in caplog.records) == 1


def test_debug_tells_of_every_event(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    client, _ = make(debug=True)
    with caplog.at_level(logging.INFO, "loopin_producers"):
        uuid = client.capture("click", "user-1")
    assert any(f"captured click of user-1 as {uuid}" in record.getMessage() for record in caplog.records)


def test_default_client_comes_from_the_environment_or_from_configure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPIN_PROJECT", "from-env")
    monkeypatch.setenv("LOOPIN_ENABLED", "false")
    assert loopin_producers.flush() == 0
    assert loopin_producers.shutdown() == 0
    assert loopin_producers.capture("click", "user-1")
    assert loopin_producers.default_client().project == "from-env"
    before = loopin_producers.default_client()
    loopin_producers.configure(project="other", disabled=True)
    client = loopin_producers.default_client()
    assert (client.project, client is before) == ("other", False)
    assert loopin_producers.identify("user-1")
    assert loopin_producers.alias("a", "user-1")
    assert loopin_producers.set("user-1", {"a": 1})
    assert loopin_producers.set_once("user-1", {"a": 1})
    assert loopin_producers.group_identify("company", "acme")
    loopin_producers.reset()
    assert loopin_producers.shutdown() == 0
    assert loopin_producers.default_client() is not client
    loopin_producers.shutdown()


@pytest.fixture
def no_client(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No default client, and an environment that allows none."""
    loopin_producers.shutdown(0)
    monkeypatch.delenv("LOOPIN_PROJECT", raising=False)
    monkeypatch.setattr(default, "_guard", Guard("Nothing is captured."))
    yield
    loopin_producers.shutdown(0)


def call_everything() -> list[str | None]:
    return [
        loopin_producers.capture("click", "user-1"),
        loopin_producers.identify("user-1"),
        loopin_producers.alias("a", "user-1"),
        loopin_producers.set("user-1", {"a": 1}),
        loopin_producers.set_once("user-1", {"a": 1}),
        loopin_producers.group_identify("company", "acme"),
    ]


def test_without_settings_the_functions_capture_nothing_and_say_so_once(
    no_client: None, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        assert call_everything() == [None] * 6
        loopin_producers.reset()
    assert [one.getMessage() for one in caplog.records] == [
        "Nothing is captured. Name the project, or set LOOPIN_PROJECT. "
        "Further ones (project_missing) are not logged."
    ]
    with pytest.raises(InvalidEvent, match="LOOPIN_PROJECT"):
        loopin_producers.default_client()
    with pytest.raises(InvalidEvent, match="LOOPIN_PROJECT"):
        Loopin(NOBODY)


def test_each_caller_gets_an_error_of_its_own(no_client: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that raise the same one write into its traceback."""

    def refused() -> Any:
        with pytest.raises((InvalidEvent, InvalidConfiguration)) as caught:
            loopin_producers.default_client()
        return caught.value

    for project in (None, "shop"):
        if project:
            with pytest.raises(InvalidConfiguration):
                loopin_producers.configure(project=project, sample_rate=7)
        told = [refused() for _ in range(3)]
        assert len(set(map(id, told))) == 3
        assert len({(type(one), str(one), one.code, one.reason) for one in told}) == 1


def test_settings_that_were_refused_are_not_replaced_by_the_environments(
    no_client: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOPIN_PROJECT", "from-env")
    monkeypatch.setenv("LOOPIN_ENABLED", "false")
    with pytest.raises(InvalidConfiguration):
        loopin_producers.configure(project="shop", sample_rate=7)
    assert call_everything() == [None] * 6
    with pytest.raises(InvalidConfiguration):
        loopin_producers.default_client()
    loopin_producers.configure(project="shop", disabled=True)
    assert None not in call_everything()


def test_types_of_the_catalogues_events_are_current_and_name_what_it_names(make: Make) -> None:
    assert FILE.read_text() == source(), "run `make generated`"
    client, sent = make()
    client.capture(TicketPurchased(amount=25.0, currency="EUR"), "user-1", {"seat": 7})
    client.capture(Pageview(current_url="https://example.com/", pathname="/"), "user-1")
    client.capture(WebVitals(web_vitals_lcp_value=1200.0), "user-1")
    assert [(one["event"], one["properties"]) for one in sent] == [
        ("ticket_purchased", {"amount": 25.0, "currency": "EUR", "seat": 7}),
        ("$pageview", {"$current_url": "https://example.com/", "$pathname": "/"}),
        ("$web_vitals", {"$web_vitals_LCP_value": 1200.0}),
    ]
    classes = [one for one in vars(loopin_producers.events).values() if hasattr(one, "event_name")]
    named = {one.event_name for one in classes if one.__module__ == "loopin_producers.events"}
    assert named == {event.name for event in CATALOGUE}
    known = by_name("ticket_purchased")
    assert known is not None
    assert {one.name for one in fields(TicketPurchased)} == {one.name for one in known.properties}


def test_wrong_types_are_mypys_to_find() -> None:
    """`make check` reads this: each ignore is needed, or mypy complains that it is not."""
    with pytest.raises(TypeError):
        TicketPurchased()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        TicketPurchased(amount=1.0, sum=2.0)  # type: ignore[call-arg]
    assert TicketPurchased(amount="much").properties() == {"amount": "much"}  # type: ignore[arg-type]


KILLED = """
import os, sys, time
from loopin_producers import Loopin
client = Loopin("127.0.0.1:1", "shop", durable=sys.argv[1] == "durable", config={"log_level": 0})
for number in range(int(sys.argv[2])):
    print(client.capture("click", f"user-{number % 3}", {"n": number}), flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("mode", ["durable", "usual"])
def test_kill_9_of_the_client(mode: str, spool_folder: Path, make: Make) -> None:
    """Durable: the next client delivers every event whose capture() returned. Else: what reached the disk."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, mode, "2000"], capture_output=True, timeout=120, check=False
    )
    assert done.returncode == -9
    said = done.stdout.decode().split()
    assert len(said) == 2000
    delivered: list[dict[str, Any]] = []

    class Broker:
        """Acknowledges at once."""

        counts = (0, 0, 0)
        is_settling_here = False

        def send(self, record: SpooledRecord, settle: Any) -> None:
            delivered.append(json.loads(record.value))
            settle(record, None, 0, 0)

        def wait_below(self, limit: int, timeout: float) -> bool:
            return True

        def close(self, timeout: float) -> int:
            return 0

        def abandon(self) -> None:
            pass

    heir = Loopin(NOBODY, "shop")
    object.__setattr__(heir._connection._ways, "transport", lambda _: Broker())
    heir.capture("click", "user-9", {"n": 2000})
    deadline = time.monotonic() + 60
    while not delivered or delivered[-1]["distinct_id"] != "user-9":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    heir.shutdown(30)
    found = [one["uuid"] for one in delivered[:-1]]
    if mode == "durable":
        assert found == said
    else:
        # What was in memory is lost, and said to be in docs/clients.md; what is there is in order.
        assert found == [uuid for uuid in said if uuid in set(found)]
    assert list(spool_folder.glob("*/*/*")) == []


def test_fork_while_the_spool_is_at_work(spool_folder: Path) -> None:
    """A forked child has a client of its own; its parent's events stay the parent's."""
    client = Loopin(NOBODY, "shop", durable=True, config={"log_level": 0})
    for number in range(50):
        client.capture("click", "parent", {"n": number})
    child = os.fork()
    if child == 0:
        for number in range(20):
            client.capture("click", "child", {"n": number})
        os._exit(0 if client.stats().spooled == 20 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert client.stats().spooled == 50
    assert client.shutdown(0) == 50
    assert len(list(spool_folder.glob("*/*/*.events"))) == 2
