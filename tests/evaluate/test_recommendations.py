"""The evaluation knows of a week no more than was known when it began."""

from __future__ import annotations

import pytest

from loopin_sinks.metric_values.scope import epoch_ms
from loopin_sinks.recommendations.learn import Week
from tests.evaluate.recommendations import Recommendations
from tests.sinks.personas.stored_events import Done
from tests.sinks.recommendations.test_as_of import CREATED, CUTOFF, DEALT, NOW, WEEK, alike, drawn
from tests.sinks.recommendations.whole_weeks import whole


def weeks(done: list[Done]) -> list[Week]:
    judge = Recommendations()
    for one in sorted(done, key=lambda one: one.at):
        wire = {"event": one.event, "distinct_id": one.user, "timestamp": epoch_ms(one.at)}
        judge.see({**wire, "properties": one.properties})
    return [whole(of(epoch_ms(CUTOFF))) for of in judge.weeks(epoch_ms(NOW))]


@pytest.mark.parametrize("seed", range(4))
def test_what_happens_later_changes_neither_signals_nor_what_is_allowed(seed: int) -> None:
    until = [*CREATED, *drawn(seed, CUTOFF - 6 * WEEK, CUTOFF, 500, later=False), *DEALT]
    for then, later in zip(
        weeks(until), weeks([*until, *drawn(seed + 100, CUTOFF, NOW, 400, later=True)]), strict=True
    ):
        alike(then, later)
