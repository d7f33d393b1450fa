"""A share of the users instead of all."""

from __future__ import annotations

from collections.abc import Sequence

from loopin_schemas.identity import LINKING
from loopin_schemas.sampling import SAMPLED_OUT, key_sampled
from loopin_streams.enrich.draft import Context, Draft, Drop

SAMPLED = Drop("sampled")


def sample_users(drafts: Sequence[Draft], context: Context) -> None:
    """Mark the drafts of users outside a client's sample or ours: a user's events stay or go together."""
    for draft in drafts:
        if draft.event.event in LINKING and draft.properties.get(SAMPLED_OUT) is True:
            draft.outcome = SAMPLED
    rate = context.sampling_rate
    if rate >= 1:
        return
    inside: dict[bytes, bool] = {}
    for draft in drafts:
        stays = inside.get(draft.key)
        if stays is None:
            stays = inside[draft.key] = key_sampled(draft.key, rate)
        if not stays:
            draft.outcome = SAMPLED
