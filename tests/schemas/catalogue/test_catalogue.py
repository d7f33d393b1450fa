"""The catalogue against the product's own table of event names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from loopin_schemas.catalogue import (
    CATALOGUE,
    EVERY_EVENT,
    GROUPS,
    EventType,
    by_alias,
    by_name,
    check_properties_types,
    translate,
)
from loopin_schemas.validation import check_event_name

METRICS = Path(__file__).parents[4] / "shared" / "metrics.md"

EVENTS = """
account: user_signed_up user_logged_in user_logged_out login_failed otp_sent otp_verified otp_failed
account: profile_updated user_verified account_deleted
platform events: event_created event_published event_cancelled event_viewed event_join_requested
platform events: event_joined event_left event_attended event_sold_out event_reviewed
payments: ticket_purchased payment_succeeded payment_failed payment_refunded payment_disputed
web and app: $pageview $pageleave click search_performed page_loaded $web_vitals app_crashed $exception
content: content_created content_viewed content_left content_liked content_commented content_shared
content: search_result_shown search_result_clicked
social: user_followed user_unfollowed message_sent feedback_submitted
recommendations: recommendation_shown recommendation_clicked
communities: community_viewed community_joined community_left community_activity
geo: geo_access_checked
experiments: $feature_flag_called experiment_exposed
system: api_request system_metric error_logged
"""


def listed() -> list[tuple[str, str]]:
    """(group, event) of the list above, in its order."""
    lines = (line.split(": ") for line in EVENTS.strip().splitlines())
    return [(group, name) for group, names in lines for name in names.split()]


def test_holds_exactly_the_products_events() -> None:
    assert [(group.name, event.name) for group in GROUPS for event in group.events] == listed()


def test_the_list_is_the_documents() -> None:
    if not METRICS.is_file():
        pytest.skip("the product's document is not beside this checkout")
    section = METRICS.read_text(encoding="utf-8").split("## Events")[1].split("\n## ")[0]
    rows = [row.split("|")[1:3] for row in section.splitlines() if row.startswith("| ")][1:]
    documented = [
        (group.strip(), name.strip())
        for group, cell in rows
        for name in re.sub(r"\([^)]*\)", "", cell).split(",")
    ]
    assert documented == listed()


def test_names_and_aliases_are_unique() -> None:
    names = [event.name for event in CATALOGUE]
    aliases = [(alias.vocabulary, alias.name) for event in CATALOGUE for alias in event.aliases]
    assert len(set(names)) == len(names)
    assert len(set(aliases)) == len(aliases)
    assert not {name for _, name in aliases} & set(names)


@pytest.mark.parametrize("event", CATALOGUE, ids=lambda event: event.name)
def test_each_event_is_well_formed(event: EventType) -> None:
    check_event_name(event.name)
    declared = [one.name for one in event.properties]
    assert len(set(declared)) == len(declared)
    assert set(event.private) <= set(declared)
    assert event.revenue == 0 or "amount" in declared
    mapped = {ours for alias in event.aliases for _, ours in alias.properties}
    assert mapped <= set(declared)
    for one in event.properties:
        assert one.description
        assert not one.choices or one.type == "text"
        assert one.minimum is None or one.type in {"number", "integer"}


def test_properties_of_every_event_are_the_documents() -> None:
    assert " ".join(one.name for one in EVERY_EVENT) == (
        "event_type action revenue_impact url referrer user_agent content_type object_id campaign_source "
        "campaign_medium device_type browser os country city"
    )
    assert not any(one.required for one in EVERY_EVENT)


def test_revenue_is_purchases_less_refunds() -> None:
    assert {event.name: event.revenue for event in CATALOGUE if event.revenue} == {
        "ticket_purchased": 1,
        "payment_refunded": -1,
    }


def test_private_words_are_marked() -> None:
    assert {event.name: event.private for event in CATALOGUE if event.private} == {
        "content_shared": ("share_message",),
        "message_sent": ("text", "message"),
    }


def test_by_name_is_exact() -> None:
    event = by_name("$pageview")
    assert event is not None
    assert event.name == "$pageview"
    assert by_name("$Pageview") is None
    assert by_name("page_view") is None


@pytest.mark.parametrize(
    ("alias", "vocabulary", "name"),
    [
        ("page_view", "documents", "$pageview"),
        ("search", "documents", "search_performed"),
        ("share", "documents", "content_shared"),
        ("api_call", "documents", "api_request"),
        ("view_event", "documents", "event_viewed"),
        ("request_event", "documents", "event_join_requested"),
        ("Order Completed", "segment", "ticket_purchased"),
        ("Order Refunded", "segment", "payment_refunded"),
        ("Signed Up", "segment", "user_signed_up"),
        ("page_view", "segment", None),
        ("Order Completed", "documents", None),
        ("order completed", "segment", None),
        ("Account Created", "segment", None),
    ],
)
def test_an_alias_belongs_to_its_vocabulary(alias: str, vocabulary: str, name: str | None) -> None:
    assert vocabulary in ("documents", "segment")
    event = by_alias(alias, "documents" if vocabulary == "documents" else "segment")
    assert (event.name if event else None) == name


def test_translation_renames_properties_too() -> None:
    theirs = {"total": 27.5, "revenue": 25.0, "currency": "USD", "order_id": "o1"}
    name, ours = translate("Order Completed", theirs, "segment")
    assert name == "ticket_purchased"
    assert ours == {"amount": 27.5, "revenue": 25.0, "currency": "USD", "order_id": "o1"}
    assert check_properties_types(name, ours) == ()
    assert "amount" not in theirs


def test_translation_takes_the_first_source_present_and_overwrites_nothing() -> None:
    assert translate("Order Completed", {"revenue": 25.0}, "segment")[1] == {"amount": 25.0}
    assert translate("Order Completed", {"total": 1, "amount": 2}, "segment")[1] == {"total": 1, "amount": 2}


def test_translation_leaves_other_names_alone() -> None:
    assert translate("Anything Else", {"total": 1}, "segment") == ("Anything Else", {"total": 1})
    assert translate("$pageview", {}, "documents") == ("$pageview", {})
