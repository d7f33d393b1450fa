"""Addresses in events; what stays of them is tested with ``ip_privacy``."""

from __future__ import annotations

from dataclasses import replace

from loopin_streams.enrich.steps.ip import keep_ip_private
from tests.streams.enrich.drafts import body, context, draft_before


def test_an_address_is_dropped_unless_the_settings_say_otherwise() -> None:
    for at, left in (
        (context(), {"a": 1}),
        (replace(context(), ip="truncate"), {"a": 1, "$ip": "81.2.69.0"}),
        (replace(context(), ip="keep"), {"a": 1, "$ip": "81.2.69.142"}),
    ):
        draft = draft_before("ip", body(properties={"a": 1, "$ip": "81.2.69.142"}))
        assert keep_ip_private(draft, at) is None
        assert draft.properties == left
        assert draft.changed == (at.ip != "keep")


def test_an_event_without_one_keeps_its_bytes() -> None:
    draft = draft_before("ip", body(properties={"a": 1}))
    assert keep_ip_private(draft, context()) is None
    assert not draft.changed
