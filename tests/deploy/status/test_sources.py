"""Roles are asked over HTTP: ready, not ready, without a key, gone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from loopin_deploy.ports import free_port
from loopin_deploy.status.sources import Address, role_status, snapshot_of
from tests.deploy.role_server import Role

EXPOSITION = (
    b'loopin_role_info{role="stream",version="1"} 1.0\nloopin_partitions_open{consumer="enrich"} 1.0\n'
)


def test_a_ready_role_tells_its_metrics(role: Role) -> None:
    role.answers = {"/readyz": (200, b'{"status": "ready"}'), "/metrics": (200, EXPOSITION)}
    status = role_status(Address(role.url), "secret")
    assert (status.role, status.answers, status.ready, status.reason) == ("stream", True, True, None)
    assert [one.consumer for one in status.consumers] == ["enrich"]
    assert role.keys == ["Bearer secret"] * 2


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"status": "not ready", "reason": "It is behind."}, "It is behind."),
        ({"success": False, "error": "The store is away.", "error_code": "NOT_READY"}, "The store is away."),
        ("x", "It answers 503."),
    ],
)
def test_an_unready_role_says_why(role: Role, body: Any, reason: str) -> None:
    role.answers = {"/readyz": (503, json.dumps(body).encode()), "/metrics": (200, EXPOSITION)}
    status = role_status(Address(role.url))
    assert (status.ready, status.reason) == (False, reason)
    assert status.consumers


def test_an_api_without_a_key_is_told_by_its_readiness_alone(role: Role) -> None:
    role.answers = {"/readyz": (200, b"{}"), "/metrics": (401, b"{}")}
    status = role_status(Address(role.url))
    assert (status.role, status.ready, status.consumers) == ("api", True, [])
    assert status.reason == "Its metrics need a key with the scope read: give --key."


def test_what_is_no_role_of_ours_does_not_answer(role: Role) -> None:
    role.answers = {"/readyz": (200, b"<html>"), "/metrics": (200, b"<html><body>")}
    status = role_status(Address(role.url))
    assert not status.answers


def test_one_that_is_gone_does_not_hide_the_others(role: Role) -> None:
    role.answers = {"/readyz": (200, b"{}"), "/metrics": (200, EXPOSITION)}
    gone = f"http://127.0.0.1:{free_port()}"
    snapshot = snapshot_of([Address(gone, "store"), Address(role.url)], "")
    assert [(one.role, one.answers) for one in snapshot.roles] == [("store", False), ("stream", True)]
    assert snapshot.roles[0].reason == f"{gone} does not answer (Connection refused)."
