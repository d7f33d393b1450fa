"""What is kept of an event's text is answered to its own project."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx

from loopin_sinks.opinions.judged import by_methods
from loopin_sinks.opinions.stored import Text, keep
from loopin_sinks.store import Store

if TYPE_CHECKING:
    from tests.api.conftest import Bearer

PATH = "/api/analytics/sentiment"


async def test_it_is_answered(client: httpx.AsyncClient, bearer: Bearer, store: Store) -> None:
    uuid, at = uuid4(), datetime.now(UTC).replace(microsecond=0)
    said = by_methods("A wonderful night")
    await keep(store, "shop", [(Text(str(uuid), at, "A wonderful night", 90), said)], at)
    answer = await client.get(f"{PATH}/{uuid}", headers=bearer("read"))
    assert answer.json()["data"] == {
        "sentiment": "positive",
        "score": said.score,
        "confidence": said.confidence,
        "intensity": said.intensity,
        "emotions": list(said.emotions),
        "language": None,
        "method": "combination",
        "uuid": str(uuid),
        "judged_at": f"{at:%Y-%m-%dT%H:%M:%S}.000Z",
    }


async def test_that_of_another_project_is_not(
    client: httpx.AsyncClient, bearer: Bearer, refused: Callable[..., Any], store: Store
) -> None:
    uuid, at = uuid4(), datetime.now(UTC)
    await keep(store, "other", [(Text(str(uuid), at, "good", 90), by_methods("good"))], at)
    refused(await client.get(f"{PATH}/{uuid}", headers=bearer("read")), 404, "NOT_JUDGED")


async def test_what_is_no_uuid_is_refused(
    client: httpx.AsyncClient, bearer: Bearer, refused: Callable[..., Any]
) -> None:
    answer = await client.get(f"{PATH}/17", headers=bearer("read"))
    assert refused(answer, 422, "VALIDATION_ERROR")["details"][0]["field"] == "uuid"
