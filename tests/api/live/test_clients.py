"""Who gets one of the places of the live feed."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from loopin_api.errors import ApiError
from loopin_api.live.clients import Live
from loopin_api.live.feed import Feed
from loopin_api.live.wanted import wanted_of

METRICS = wanted_of({"types": "metric"})


def come(live: Live, project: str, most: int) -> ExitStack:
    """Clients of a project, as many of ``most`` as get a place; they leave at the stack's end."""
    clients = ExitStack()
    for _ in range(most):
        clients.enter_context(live.listening(project, METRICS, None, "sse"))
    return clients


def refused(live: Live, project: str) -> None:
    with pytest.raises(ApiError) as caught:
        live.check(project)
    assert (caught.value.status, caught.value.code) == (503, "TOO_MANY_CLIENTS")


def test_no_project_takes_all_places(live: Live, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_most", 20)
    big = come(live, "big", 18)
    refused(live, "big")
    small = come(live, "small", 2)
    refused(live, "small")
    refused(live, "another")
    small.close()
    refused(live, "big")  # it has more than its share still
    with come(live, "another", 1), come(live, "small", 1):
        refused(live, "small")
    big.close()
    with come(live, "small", 18):
        refused(live, "small")
        live.check("big")  # who has gone counts no more


def test_a_few_places_are_for_whoever_comes(live: Live, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_most", 9)
    with come(live, "big", 9):
        refused(live, "big")
        refused(live, "small")
