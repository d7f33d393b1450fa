"""Corrections as the API holds them: bounded, by project, and never over a change that was not seen."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from loopin_api.config_items import ConfigItems
from loopin_api.corrections import Author, Corrections
from loopin_api.errors import ApiError
from loopin_schemas.corrections import MAX_CORRECTIONS, MAX_GROUPS, Correction, ErrorGroup, correction_id
from tests.api.config_in_memory import Log

OPS = Author("ops", datetime(2026, 1, 15, tzinfo=UTC))


async def test_a_project_has_so_many_and_no_more() -> None:
    log = Log()
    for number in range(MAX_CORRECTIONS):
        one = Correction(project="shop", resource="errors", row=f"{number}", at=0, by="ops")
        await log.put(one.id, one, replaces=None, by="ops")
    for number in range(MAX_GROUPS):
        group = ErrorGroup(project="shop", fingerprint=f"{number}", resolved=True, at=0, by="ops")
        await log.put(group.id, group, replaces=None, by="ops")
    corrections = Corrections(ConfigItems(log, log))
    with pytest.raises(ApiError) as refused:
        await corrections.correct("shop", "daily", "2026-01-14", {"error_count": 1}, OPS)
    assert (refused.value.status, refused.value.code) == (409, "TOO_MANY_CORRECTIONS")
    with pytest.raises(ApiError) as refused:
        await corrections.decide("shop", "new", True, OPS)
    assert (refused.value.status, refused.value.code) == (409, "TOO_MANY_GROUPS")
    await corrections.correct("shop", "errors", "7", {"level": "info"}, OPS)
    await corrections.decide("shop", "7", False, OPS)
    await corrections.correct("other", "daily", "2026-01-14", {"error_count": 1}, OPS)
    assert corrections.of("shop", "errors")["7"].body.values == {"level": "info"}
    await corrections.take_back("shop", "errors", "8", OPS)
    await corrections.correct("shop", "daily", "2026-01-14", {"error_count": 1}, OPS)


async def test_rows_past_retention_take_no_place() -> None:
    log, covered, today = Log(), 20_000, 20_010

    async def days(project: str) -> tuple[int, int]:
        assert project == "shop"
        return covered, today

    for number in range(MAX_CORRECTIONS):
        # Half of them were made when today's events were not there yet.
        at = (covered - 2 + number % 2 * 5) * 86_400_000
        one = Correction(project="shop", resource="errors", row=f"{number}", at=at, by="ops")
        await log.put(one.id, one, replaces=None, by="ops")
    corrections = Corrections(ConfigItems(log, log), days)
    await corrections.correct("shop", "daily", "2026-01-14", {"error_count": 1}, OPS)
    covered -= 1
    with pytest.raises(ApiError) as refused:
        await corrections.correct("shop", "daily", "2026-01-15", {"error_count": 1}, OPS)
    assert refused.value.code == "TOO_MANY_CORRECTIONS"


class Late(Log):
    """Others change an item between a look at it and its change."""

    async def put(self, id: str, body: object, *, replaces: str | None, by: str) -> object:  # type: ignore[override]  # of any body
        one = Correction(project="shop", resource="daily", row="2026-01-14", at=0, by="somebody")
        await super().put(one.id, one, replaces=self.configuration.version("correction", one.id), by="x")
        return await super().put(id, body, replaces=replaces, by=by)  # type: ignore[type-var]  # as given


async def test_a_change_that_was_not_seen_is_not_replaced() -> None:
    late = Late()
    corrections = Corrections(ConfigItems(late, late))  # type: ignore[arg-type]  # a store that is late
    with pytest.raises(ApiError) as refused:
        await corrections.correct("shop", "daily", "2026-01-14", {"error_count": 1}, OPS)
    assert (refused.value.status, refused.value.code) == (409, "CHANGED_MEANWHILE")
    assert corrections.of("shop", "daily")["2026-01-14"].by == "x"


class Between(Log):
    """Somebody else puts a row right as soon as it is emptied, before it is removed."""

    async def put(self, id: str, body: object, *, replaces: str | None, by: str) -> object:  # type: ignore[override]  # of any body
        item = await super().put(id, body, replaces=replaces, by=by)  # type: ignore[type-var]  # as given
        if isinstance(body, Correction) and not body.values:
            other = Correction(
                project="shop", resource="daily", row="2026-01-14", at=0, by="x", values={"error_count": 7}
            )
            await super().put(id, other, replaces=self.configuration.version("correction", id), by="x")
        return item


async def test_what_was_put_right_while_somebody_took_it_back_stays() -> None:
    between = Between()
    corrections = Corrections(ConfigItems(between, between))  # type: ignore[arg-type]  # a store that is late
    await corrections.correct("shop", "daily", "2026-01-14", {"error_count": 1}, OPS)
    await corrections.take_back("shop", "daily", "2026-01-14", OPS)
    assert corrections.of("shop", "daily")["2026-01-14"].body.values == {"error_count": 7}


async def test_an_api_without_a_broker_has_none_and_makes_none() -> None:
    corrections = Corrections(ConfigItems(None, None))
    assert corrections.of("shop", "daily") == {}
    assert corrections.groups("shop") == {}
    with pytest.raises(ApiError) as refused:
        await corrections.decide("shop", "f", True, OPS)
    assert refused.value.status == 503


def test_ids_fit_the_topic_however_long_a_row_is_named() -> None:
    long, other = "x" * 300, "x" * 299 + "y"
    ids = {correction_id("p" * 64, "user-analytics", row) for row in (long, other, "2026-01-14:42")}
    assert len(ids) == 3
    assert all(len(id) <= 200 for id in ids)
    assert correction_id("shop", "daily", "2026-01-14") == "shop/daily/2026-01-14"
