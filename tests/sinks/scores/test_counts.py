"""Lists of reasons are most of what a score weighs: where persons are counted they are not read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from loopin_schemas.profile import Score
from loopin_sinks.scores.read import counted_scores
from tests.api.scores_stored import scored
from tests.migrated import migrated_store
from tests.sinks.persons.lived import store_profiles

SEEN = datetime(2026, 1, 12, 9, tzinfo=UTC)


@pytest.mark.asyncio
async def test_counting_takes_the_numbers_alone(tmp_path: Path, migrated: Path) -> None:
    users = {str(n): scored(SEEN, {"churn": Score(n / 10, 1, 2, (1, 2, 3))}) for n in range(10)}
    async with migrated_store(tmp_path, migrated) as store:
        await store_profiles(store, users)
        for column in ("score_reasons", "score_times", "score_versions"):
            await store.command(f"ALTER TABLE profiles DROP COLUMN {column}")
        assert await counted_scores(store, "shop", "churn", above=0.7) == (10, 2)
