"""The tables ``recommendation_models`` and ``item_neighbours``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import uuid4

import pyarrow as pa

from loopin_sinks.recommendations.platform_events import Floats, Ints
from loopin_sinks.recommendations.ranker import Ranker
from loopin_sinks.store import Store

ItemType = Literal["event", "community"]

_MS = pa.timestamp("ms", "UTC")
_MODELS = pa.schema(
    [
        pa.field("project", pa.string(), nullable=False),
        pa.field("item_type", pa.string(), nullable=False),
        pa.field("at", _MS, nullable=False),
        pa.field("model_version", pa.string(), nullable=False),
        pa.field("signals", pa.list_(pa.string()), nullable=False),
        pa.field("mean", pa.list_(pa.float64()), nullable=False),
        pa.field("weights", pa.list_(pa.float64()), nullable=False),
        pa.field("bias", pa.float64(), nullable=False),
        pa.field("learned", pa.bool_(), nullable=False),
        pa.field("precision", pa.float64()),
        pa.field("popularity", pa.float64()),
        pa.field("judged_users", pa.uint64(), nullable=False),
    ]
)
_NEIGHBOURS = pa.schema(
    [
        pa.field("project", pa.string(), nullable=False),
        pa.field("item_type", pa.string(), nullable=False),
        pa.field("item", pa.string(), nullable=False),
        pa.field("at", _MS, nullable=False),
        pa.field("neighbour", pa.string(), nullable=False),
        pa.field("weight", pa.float64(), nullable=False),
    ]
)

_MODEL: Final = """
    SELECT * FROM recommendation_models
    WHERE project = {project:String} AND item_type = {item_type:String}
        AND at <= {at:DateTime64(3, 'UTC')}
    ORDER BY at DESC LIMIT 1
"""
_NEAR: Final = """
    SELECT neighbour, sum(weight) AS weight FROM item_neighbours FINAL
    WHERE project = {project:String} AND item_type = {item_type:String} AND item IN {items:Array(String)}
        AND at = (
            SELECT max(at) FROM item_neighbours
            WHERE project = {project:String} AND item_type = {item_type:String}
        )
    GROUP BY neighbour
"""


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A ranker, and how good it was in its last week, beside popularity; None where nobody took anything."""

    ranker: Ranker
    at: datetime
    precision: float | None
    popularity: float | None
    judged_users: int


async def newest_model(store: Store, project: str, item_type: ItemType, at: datetime) -> StoredModel | None:
    """The last one up to a time; None before the first. Raises StoreError."""
    for row in await store.query(_MODEL, {"project": project, "item_type": item_type, "at": at}):
        return StoredModel(
            ranker=Ranker(
                tuple(row["signals"]), tuple(row["mean"]), tuple(row["weights"]), row["bias"], row["learned"]
            ),
            at=row["at"],
            precision=row["precision"],
            popularity=row["popularity"],
            judged_users=row["judged_users"],
        )
    return None


async def keep_model(store: Store, project: str, item_type: ItemType, model: StoredModel) -> None:
    """Store one. Raises StoreError."""
    ranker = model.ranker
    row = {
        "project": project,
        "item_type": item_type,
        "at": model.at,
        "model_version": ranker.version,
        "signals": ranker.signals,
        "mean": ranker.mean,
        "weights": ranker.weights,
        "bias": ranker.bias,
        "learned": ranker.learned,
        "precision": model.precision,
        "popularity": model.popularity,
        "judged_users": model.judged_users,
    }
    rows = pa.Table.from_pylist([row], schema=_MODELS)
    await store.insert("recommendation_models", rows, token=str(uuid4()))


async def keep_neighbours(
    store: Store,
    project: str,
    item_type: Literal["host", "community"],
    names: Sequence[str],
    found: tuple[Ints, Ints, Floats],
    at: datetime,
) -> int:
    """Store how much items speak for others, by their numbers in ``names``; how many. Raises StoreError."""
    rows = [
        {
            "project": project,
            "item_type": item_type,
            "item": names[item],
            "at": at,
            "neighbour": names[other],
            "weight": weight,
        }
        for item, other, weight in zip(*(each.tolist() for each in found), strict=True)
    ]
    if rows:
        table = pa.Table.from_pylist(rows, schema=_NEIGHBOURS)
        await store.insert("item_neighbours", table, token=str(uuid4()))
    return len(rows)


async def near_items(
    store: Store, project: str, item_type: Literal["host", "community"], items: Sequence[str]
) -> Mapping[str, float]:
    """How much these items together speak for others, by the last run. Raises StoreError."""
    if not items:
        return {}
    bound = {"project": project, "item_type": item_type, "items": list(items)}
    return {row["neighbour"]: row["weight"] for row in await store.query(_NEAR, bound)}
