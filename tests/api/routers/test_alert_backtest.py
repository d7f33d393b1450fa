"""How long a time a rule is tried over, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.api.conftest import NOW

if TYPE_CHECKING:
    from tests.api.conftest import Bearer

Refused = Callable[[httpx.Response, int, str], dict[str, Any]]

PATH = "/api/analytics/alert-rules"


@pytest.mark.parametrize(
    ("name", "longest"),
    [
        ("login_failures_of_one_user", timedelta(hours=7)),
        ("countries_of_one_user", timedelta(hours=5)),
        ("payment_failure_rate", timedelta(days=30)),
    ],
)
async def test_without_a_start_a_rule_is_tried_over_as_long_a_time_as_it_may(
    client: httpx.AsyncClient, bearer: Bearer, name: str, longest: timedelta
) -> None:
    # The rest of the last day has not come yet.
    body = {"to": NOW.date().isoformat()} if longest < timedelta(days=1) else {}
    answer = await client.post(f"{PATH}/{name}/backtest", json=body, headers=bearer("read"))
    assert answer.status_code == 200, answer.text
    assert datetime.fromisoformat(answer.json()["data"]["period_start"]) == NOW - longest


@pytest.mark.parametrize(("name", "hours"), [("login_failures_of_one_user", 7), ("countries_of_one_user", 5)])
async def test_too_long_a_time_is_refused_with_how_long_it_may_be(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused, name: str, hours: int
) -> None:
    for since in ("-1d", f"-{hours * 60 + 1}m"):
        body = {"from": since}
        answer = await client.post(f"{PATH}/{name}/backtest", json=body, headers=bearer("read"))
        [detail] = refused(answer, 422, "VALIDATION_ERROR")["details"]
        reason = f"This rule is not tried over so long a time: give at most {hours} hours."
        assert detail == {"field": "from", "reason": reason}
