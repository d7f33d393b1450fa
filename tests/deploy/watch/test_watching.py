"""Keeping up with a project when the API does not answer for a while."""

from __future__ import annotations

from typing import Any

import pytest

from loopin_deploy.api_client import ApiClient
from loopin_deploy.errors import DeployError
from loopin_deploy.live_client import LiveEvent
from loopin_deploy.watch.watching import Watching

REAL_TIME = {"minutes": [], "currency": "EUR", "top_events": [], "online_members": 4}
OVERVIEW = {"tz": "UTC", "active_users_today": 7, "total_revenue": 19.5}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the API answers; without an overview it does not answer."""
    answers: dict[str, Any] = {"overview": OVERVIEW}

    def overview(_: ApiClient, days: int) -> Any:
        assert days == 1
        if "overview" not in answers:
            raise DeployError("api_unreachable", None, "The API does not answer.")
        return answers["overview"]

    monkeypatch.setattr(ApiClient, "ask", lambda *_: {"results": []})
    monkeypatch.setattr(ApiClient, "real_time", lambda _: REAL_TIME)
    monkeypatch.setattr(ApiClient, "overview", overview)
    return answers


def test_after_a_reset_the_numbers_are_read_anew_as_soon_as_the_api_answers(api: dict[str, Any]) -> None:
    watching = Watching("shop", "http://x", "k")
    assert watching.state.today.active_users == 7
    del api["overview"]
    watching._heard.put(LiveEvent("lost", "", "gone"))
    watching._heard.put(LiveEvent("reset", "", {"reason": "expired"}))
    watching.catch_up()
    assert watching.state.lost == "gone"
    watching._heard.put(LiveEvent("connected", "", None))
    watching.catch_up()
    assert watching.state.must_read_anew
    assert watching.state.today.active_users == 7
    api["overview"] = {**OVERVIEW, "active_users_today": 9}
    watching.catch_up()
    assert not watching.state.must_read_anew
    assert watching.state.today.active_users == 9


def test_an_api_that_never_answered_is_an_error_at_once(api: dict[str, Any]) -> None:
    del api["overview"]
    with pytest.raises(DeployError, match="does not answer"):
        Watching("shop", "http://x", "k")


def test_a_key_that_is_not_good_any_more_ends_it(api: dict[str, Any]) -> None:
    watching = Watching("shop", "http://x", "k")
    watching._heard.put(DeployError("api_refused", "--key", "Not good."))
    with pytest.raises(DeployError, match=r"Not good\."):
        watching.catch_up()
