"""POST /api/analytics/clustering: the kinds of users there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Final, Literal

import numpy as np
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from loopin_api.body import json_body
from loopin_api.envelope import Moment, Success
from loopin_api.ids import answered_id
from loopin_api.openapi import COMMON, WITH_BODY, failures, request_body, success
from loopin_api.services import Reader, Use
from loopin_sinks.metric_values.scope import scope_of
from loopin_sinks.personas.activity import DAYS
from loopin_sinks.personas.features import FEATURES
from loopin_sinks.personas.fit import KS, LEAST_USERS
from loopin_sinks.personas.naming import label
from loopin_sinks.personas.run import LEAST_ASSIGNED, LEAST_EVENTS, Cluster, Run
from loopin_sinks.personas.stored import StoredRun, newest_run, sample

router = APIRouter(tags=["users"])

DEFAULT_MEMBERS: Final = 5
MAX_MEMBERS: Final = 100


class ClusteringRequest(BaseModel):
    """What to show."""

    model_config = ConfigDict(strict=True, extra="forbid")

    members: int = Field(
        DEFAULT_MEMBERS,
        ge=0,
        le=MAX_MEMBERS,
        description=f"Users to name of each cluster, count, {MAX_MEMBERS} at most.",
    )


class UserCluster(BaseModel):
    """One kind of users."""

    persona: str = Field(
        description="Its name: `social_explorer`, `event_regular`, `passive_observer`, `power_user`, or one "
        "after what its members do more than others. A later run that finds it again calls it the same."
    )
    label: str = Field(description="The same as people write it.")
    size: int = Field(description="Users of this persona, count.")
    share: float = Field(description="Those of all users with a persona, ratio 0 to 1.")
    traits: dict[str, float] = Field(
        description="What its members do more (above 0) or less than all users: shares of what they do, and "
        "how often they host, attend, join, buy, share and are there; in standard deviations of users."
    )
    centroid: dict[str, float] = Field(
        description="Its middle by feature: square roots of shares (0 to 1), the rhythm of the day as two "
        "waves (-1 to 1), and log(1 + events hosted)."
    )
    members: list[int | str] = Field(description="Users nearest to the middle, as asked for; ids.")


class Clustering(BaseModel):
    """The kinds of users."""

    k: int | None = Field(
        description=f"Number of clusters, count; null where fewer than {LEAST_USERS} users have "
        f"{LEAST_EVENTS} events or more in the last {DAYS} days."
    )
    silhouette: float | None = Field(
        description="Mean silhouette of users, -1 to 1: the nearer to 1, the clearer clusters are apart."
    )
    silhouette_by_k: dict[str, float] = Field(
        description=f"The same by each number of clusters tried ({KS[0]} to {KS[-1]}), -1 to 1. The best one "
        "counts, or the number of the run before where that is within 0.01 of it."
    )
    clusters: list[UserCluster] = Field(description="The clusters, the largest first.")
    users: int = Field(description=f"Users with a persona: with {LEAST_ASSIGNED} events or more, count.")
    fitted_on: int = Field(
        description=f"Those who shaped the clusters: with {LEAST_EVENTS} events or more, count."
    )
    model_version: str | None = Field(description="Names the model: a digest of what it is made of.")
    calculated_at: Moment | None = Field(description="When it was fitted, ISO 8601 in UTC.")
    stored: bool = Field(
        description="Whether this is the newest run of the task `cluster_users`; before its first one, the "
        "answer is fitted when it is asked for."
    )
    basis: Literal["persons"] = Field(description="Users are persons with all their distinct_ids.")


_EXAMPLE = {
    "k": 3,
    "silhouette": 0.31,
    "silhouette_by_k": {"3": 0.31, "4": 0.28},
    "clusters": [
        {
            "persona": "event_regular",
            "label": "Event Regular",
            "size": 812,
            "share": 0.51,
            "traits": {"attending": 0.6, "joining": 0.5},
            "centroid": {"share_events": 0.55, "hosted": 0.0},
            "members": ["user-17"],
        }
    ],
    "users": 1591,
    "fitted_on": 1404,
    "model_version": "5e1fc3a07b1d9c42",
    "calculated_at": "2026-01-15T03:40:00.000Z",
    "stored": True,
    "basis": "persons",
}


@router.post(
    "/api/analytics/clustering",
    summary="Kinds of users (personas)",
    responses={**success("The clusters", _EXAMPLE), **failures(*COMMON, *WITH_BODY)},
    openapi_extra=request_body(ClusteringRequest, {"default": {}, "more": {"members": 20}}),
)
async def post_clustering(
    caller: Reader,
    use: Use,
    body: Annotated[ClusteringRequest, Depends(json_body(ClusteringRequest, required=False))],
) -> Success[Clustering]:
    """A query: nothing is stored. The newest run of the task `cluster_users`, which is made each night.

    Needs the scope `read`.
    """
    now = use.clock()
    kept = await newest_run(use.store, caller.project, now)
    if kept is not None:
        return Success(data=_stored(kept, await sample(use.store, caller.project, body.members)))
    run, made_at = await use.first_personas.of(use.store, scope_of(use.projects, caller.project, now))
    if run is None:
        return Success(data=_answer((), {}, {}, 0))
    found = _answer(run.clusters, run.silhouettes, _members(run, body.members), run.fitted_on)
    return Success(data=found.model_copy(update={"model_version": run.version, "calculated_at": made_at}))


def _stored(run: StoredRun, members: Mapping[str, list[str]]) -> Clustering:
    found = _answer(run.clusters, run.silhouettes, members, run.fitted_on, run.features)
    said = {"model_version": run.model_version, "calculated_at": run.at, "stored": True}
    return found.model_copy(update=said)


def _members(run: Run, most: int) -> dict[str, list[str]]:
    order = np.argsort(run.distances, kind="stable")
    return {
        cluster.persona: [run.users[at] for at in order[run.personas[order] == number][:most]]
        for number, cluster in enumerate(run.clusters)
    }


def _answer(
    clusters: Iterable[Cluster],
    silhouettes: Mapping[int, float],
    members: Mapping[str, list[str]],
    fitted_on: int,
    features: Sequence[str] = FEATURES,
) -> Clustering:
    found = sorted(clusters, key=lambda cluster: (-cluster.size, cluster.persona))
    users = sum(cluster.size for cluster in found)
    return Clustering(
        k=len(found) or None,
        silhouette=round(silhouettes[len(found)], 4) if found else None,
        silhouette_by_k={str(k): round(value, 4) for k, value in silhouettes.items()},
        clusters=[_cluster(each, users, members.get(each.persona, []), features) for each in found],
        users=users,
        fitted_on=fitted_on,
        model_version=None,
        calculated_at=None,
        stored=False,
        basis="persons",
    )


def _cluster(of: Cluster, users: int, members: Sequence[str], features: Sequence[str]) -> UserCluster:
    return UserCluster(
        persona=of.persona,
        label=label(of.persona),
        size=of.size,
        share=round(of.size / users, 4) if users else 0.0,
        traits={name: round(value, 4) for name, value in of.traits.items()},
        centroid={name: round(value, 4) for name, value in zip(features, of.centroid, strict=True)},
        members=[answered_id(user) for user in members],
    )
