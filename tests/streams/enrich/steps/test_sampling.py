"""A sample of users."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loopin_schemas.sampling import key_sampled
from loopin_streams.enrich.draft import Draft
from loopin_streams.enrich.steps.partition import partition_of
from loopin_streams.enrich.steps.sampling import SAMPLED, sample_users
from tests.streams.enrich.drafts import body, context, draft_before

USERS = [f"demo:user-{n}".encode() for n in range(20_000)]


def drafts(users: int, events: int) -> list[Draft]:
    values = [body(uuid=None, distinct_id=f"u{n}") for n in range(users)] * events
    return [draft_before("sampling", value, offset=offset) for offset, value in enumerate(values)]


def test_all_events_of_a_user_stay_or_go() -> None:
    given = drafts(50, 3)
    sample_users(given, replace(context(), sampling_rate=0.5))
    by_user: dict[str, set[object]] = {}
    for draft in given:
        by_user.setdefault(draft.event.distinct_id, set()).add(draft.outcome)
    assert {frozenset(outcomes) for outcomes in by_user.values()} == {frozenset({None}), frozenset({SAMPLED})}


@pytest.mark.parametrize(("rate", "kept"), [(1.0, 3), (0.0, 0)])
def test_all_and_none(rate: float, kept: int) -> None:
    given = drafts(3, 1)
    sample_users(given, replace(context(), sampling_rate=rate))
    assert [draft.outcome for draft in given].count(None) == kept


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 0.9])
def test_the_share_of_users_is_the_rate(rate: float) -> None:
    """Within five standard deviations of a binomial."""
    kept = sum(key_sampled(user, rate) for user in USERS)
    assert abs(kept - rate * len(USERS)) < 5 * (len(USERS) * rate * (1 - rate)) ** 0.5


def test_a_larger_sample_holds_the_smaller_and_partitions_share_it_alike() -> None:
    small = {user for user in USERS if key_sampled(user, 0.1)}
    assert small < {user for user in USERS if key_sampled(user, 0.2)}
    by_partition = [sum(partition_of(user, 4) == n for user in small) for n in range(4)]
    assert min(by_partition) > 0.8 * len(small) / 4


def test_the_sample_never_changes() -> None:
    """As written down once: another hash would let the users of a running funnel come and go."""
    assert [n for n, user in enumerate(USERS[:40]) if key_sampled(user, 0.2)] == [4, 9, 10, 24, 28, 34]
