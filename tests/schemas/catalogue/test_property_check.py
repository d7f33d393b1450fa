"""Catalogued properties are compared with their types; the answer is a list of faults, never an error."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.catalogue import CATALOGUE, check_properties_types

TICKET = {"event_id": "e1", "amount": 500.0, "currency": "INR", "payment_method": "razorpay"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@pytest.mark.parametrize(
    ("event", "properties"),
    [
        ("ticket_purchased", TICKET),
        ("ticket_purchased", {"amount": 0}),
        ("ticket_purchased", TICKET | {"unknown": object}),
        ("ticket_purchased", TICKET | {"currency": None, "country": None}),
        ("event_reviewed", {"event_id": 7, "rating": 1}),
        ("event_reviewed", {"event_id": "e", "rating": 5.0, "text": "good"}),
        (
            "event_created",
            {"event_id": 1, "host_id": 2, "starts_at": "2026-01-02T03:04:05Z", "capacity": 50.0},
        ),
        ("event_created", {"event_id": 1, "host_id": 2, "starts_at": 1_767_000_000_000}),
        ("geo_access_checked", {"community_id": 1, "access_result": "blocked", "reason": "city"}),
        ("$feature_flag_called", {"$feature_flag": "f", "$feature_flag_response": True}),
        ("profile_updated", {"completion": 1}),
        ("no_such_event", {"amount": "x", "url": 1}),
        ("", {}),
    ],
)
def test_nothing_to_say(event: str, properties: dict[str, Any]) -> None:
    assert check_properties_types(event, properties) == ()


@pytest.mark.parametrize(
    ("event", "properties", "warnings"),
    [
        ("ticket_purchased", {}, ("amount:missing",)),
        ("ticket_purchased", {"amount": None}, ("amount:missing",)),
        ("ticket_purchased", {"amount": "500.00"}, ("amount:wrong_type",)),
        ("ticket_purchased", {"amount": True}, ("amount:wrong_type",)),
        ("ticket_purchased", {"amount": -0.01}, ("amount:out_of_range",)),
        ("event_reviewed", {"event_id": "e", "rating": 0.9}, ("rating:out_of_range",)),
        ("event_reviewed", {"event_id": "e", "rating": 5.1}, ("rating:out_of_range",)),
        ("event_reviewed", {"event_id": 1.5, "rating": 5}, ("event_id:wrong_type",)),
        (
            "event_reviewed",
            {"rating": "5", "text": 1},
            ("event_id:missing", "rating:wrong_type", "text:wrong_type"),
        ),
        ("event_created", {"event_id": 1, "host_id": 2, "starts_at": "soon"}, ("starts_at:wrong_type",)),
        ("event_created", {"event_id": 1, "host_id": 2, "capacity": 1.5}, ("capacity:wrong_type",)),
        (
            "geo_access_checked",
            {"community_id": 1, "access_result": "maybe"},
            ("access_result:not_a_choice",),
        ),
        (
            "geo_access_checked",
            {"community_id": 1, "access_result": "allowed", "bypass": 1},
            ("bypass:wrong_type",),
        ),
        ("api_request", {"route": "/", "status": 600, "duration_ms": 1}, ("status:out_of_range",)),
        ("$exception", {"$exception_list": {}}, ("$exception_list:wrong_type",)),
        ("click", {"url": 1, "revenue_impact": "1"}, ("url:wrong_type", "revenue_impact:wrong_type")),
    ],
)
def test_faults(event: str, properties: dict[str, Any], warnings: tuple[str, ...]) -> None:
    assert check_properties_types(event, properties) == warnings


@given(st.data())
def test_no_properties_ever_raise(data: st.DataObject) -> None:
    event = data.draw(st.sampled_from(CATALOGUE))
    names = st.sampled_from([one.name for one in event.properties] + ["url", "object_id", "other"])
    warnings = check_properties_types(event.name, data.draw(st.dictionaries(names, JSON)))
    assert all(one.count(":") == 1 for one in warnings)
