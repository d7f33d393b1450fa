"""The tables ``persona_runs`` and ``personas``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

import msgspec
import pyarrow as pa

from loopin_sinks.metric_values.scope import epoch_ms
from loopin_sinks.personas.features import FEATURES
from loopin_sinks.personas.run import Cluster, Run
from loopin_sinks.store import Store

ROWS: Final = 50_000
"""Rows of one insert."""

_MS = pa.timestamp("ms", "UTC")
_RUNS = pa.schema(
    [
        pa.field("project", pa.string(), nullable=False),
        pa.field("at", _MS, nullable=False),
        pa.field("model_version", pa.string(), nullable=False),
        pa.field("tried", pa.list_(pa.uint16()), nullable=False),
        pa.field("silhouettes", pa.list_(pa.float64()), nullable=False),
        pa.field("fitted_on", pa.uint64(), nullable=False),
        pa.field("features", pa.list_(pa.string()), nullable=False),
        pa.field("clusters", pa.string(), nullable=False),
    ]
)
_PERSONAS = pa.schema(
    [
        pa.field("project", pa.string(), nullable=False),
        pa.field("distinct_id", pa.string(), nullable=False),
        pa.field("persona", pa.string(), nullable=False),
        pa.field("previous", pa.string(), nullable=False),
        pa.field("since", _MS, nullable=False),
        pa.field("model_version", pa.string(), nullable=False),
        pa.field("distance", pa.float64(), nullable=False),
        pa.field("other_distance", pa.float64(), nullable=False),
        pa.field("version", pa.uint64(), nullable=False),
    ]
)

_NEWEST: Final = """
    SELECT * FROM persona_runs WHERE project = {project:String} AND at <= {at:DateTime64(3, 'UTC')}
    ORDER BY at DESC LIMIT 1
"""
_KEPT: Final = """
    SELECT distinct_id, toString(persona), toString(previous), since FROM personas FINAL
    WHERE project = {project:String}
"""
_MEMBERS: Final = """
    SELECT distinct_id, toString(persona) AS persona FROM personas FINAL
    WHERE project = {project:String} AND persona != ''
    ORDER BY persona, distance, distinct_id LIMIT {members:UInt32} BY persona
"""
_CHANGED: Final = """
    SELECT distinct_id, toString(persona) AS persona, toString(previous) AS previous, since,
        toString(model_version) AS model_version, distance, other_distance, version
    FROM personas FINAL
    WHERE project = {project:String} AND since > {after:DateTime64(3, 'UTC')}
        AND since <= {until:DateTime64(3, 'UTC')}
        AND persona != '' AND previous != '' AND persona != previous
    ORDER BY distance / other_distance, distinct_id LIMIT {most:UInt32}
"""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as it is kept; ``silhouettes`` by number of clusters."""

    at: datetime
    model_version: str
    silhouettes: Mapping[int, float]
    fitted_on: int
    features: tuple[str, ...]
    clusters: tuple[Cluster, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """The persona of a user; ``''`` for none now, or none before."""

    persona: str
    previous: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Changed(Kept):
    """A user's change from ``previous`` to ``persona``; distances as ``Run`` has them."""

    distinct_id: str
    model_version: str
    distance: float
    other_distance: float
    version: int


async def newest_run(store: Store, project: str, at: datetime) -> StoredRun | None:
    """The last run up to a time; None before the first. Raises StoreError."""
    for row in await store.query(_NEWEST, {"project": project, "at": at}):
        return StoredRun(
            at=row["at"],
            model_version=row["model_version"],
            silhouettes=dict(zip(row["tried"], row["silhouettes"], strict=True)),
            fitted_on=row["fitted_on"],
            features=tuple(row["features"]),
            clusters=msgspec.json.decode(row["clusters"], type=tuple[Cluster, ...]),
        )
    return None


async def kept_personas(store: Store, project: str) -> dict[str, Kept]:
    """The personas of all users who have, or had, one. Raises StoreError."""
    found: dict[str, Kept] = {}
    async with store.stream(_KEPT, {"project": project}) as rows:
        async for block in rows:
            found |= {user: Kept(*of) for user, *of in block}
    return found


async def sample(store: Store, project: str, members: int) -> dict[str, list[str]]:
    """By persona so many users nearest to its middle. Raises StoreError."""
    found: dict[str, list[str]] = {}
    for row in await store.query(_MEMBERS, {"project": project, "members": members}):
        found.setdefault(row["persona"], []).append(row["distinct_id"])
    return found


async def changes(store: Store, project: str, after: datetime, until: datetime, most: int) -> list[Changed]:
    """Users whose persona changed in a time, first those clearly of the new one. Raises StoreError."""
    bound = {"project": project, "after": after, "until": until, "most": most}
    return [Changed(**row) for row in await store.query(_CHANGED, bound)]


async def keep(store: Store, project: str, run: Run, kept: Mapping[str, Kept], now: datetime) -> int:
    """Store who is of which persona now, and last the run; how many rows.

    Raises:
        StoreError: the run is not stored; of users some may be, whom the next run stores again.
    """
    rows = list(_rows(project, run, kept, now))
    for first in range(0, len(rows), ROWS):
        part = pa.Table.from_pylist(rows[first : first + ROWS], schema=_PERSONAS)
        await store.insert("personas", part, token=str(uuid4()))
    told = pa.Table.from_pylist([_run(project, run, now)], schema=_RUNS)
    await store.insert("persona_runs", told, token=str(uuid4()))
    return len(rows) + 1


def now_of(kept: Kept | None, persona: str, now: datetime) -> Kept:
    """What is kept of a user who is of a persona now (``''`` for none)."""
    if kept is None:
        return Kept(persona, "", now)
    if kept.persona == persona:
        return kept
    # Whoever was away in between comes from the persona they had before.
    return Kept(persona, kept.persona or kept.previous, now)


def _rows(project: str, run: Run, kept: Mapping[str, Kept], now: datetime) -> Iterator[dict[str, Any]]:
    def row(user: str, persona: str, distance: float, other: float) -> dict[str, Any]:
        return {
            "project": project,
            "distinct_id": user,
            **asdict(now_of(kept.get(user), persona, now)),
            "model_version": run.version,
            "distance": distance,
            "other_distance": other,
            "version": epoch_ms(now),
        }

    names = [cluster.persona for cluster in run.clusters]
    of_users: Sequence[tuple[str, int, float, float]] = list(
        zip(run.users, run.personas.tolist(), run.distances.tolist(), run.others.tolist(), strict=True)
    )
    for user, number, distance, other in of_users:
        yield row(user, names[number], distance, other)
    here = set(run.users)
    for user, was in kept.items():
        if was.persona and user not in here:
            yield row(user, "", 0.0, 0.0)


def _run(project: str, run: Run, now: datetime) -> dict[str, Any]:
    return {
        "project": project,
        "at": now,
        "model_version": run.version,
        "tried": list(run.silhouettes),
        "silhouettes": list(run.silhouettes.values()),
        "fitted_on": run.fitted_on,
        "features": list(FEATURES),
        "clusters": msgspec.json.encode(run.clusters).decode(),
    }
