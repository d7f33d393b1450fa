"""GET /api/analytics/predictions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from inspect import Parameter, Signature, signature
from operator import or_
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from loopin_api.envelope import Detail, Success
from loopin_api.errors import invalid
from loopin_api.openapi import COMMON, failures, success
from loopin_api.predictions.kinds import KINDS
from loopin_api.services import Reader, Use

router = APIRouter(tags=["predictions"])

_BY_NAME: Final = {kind.name: kind for kind in KINDS}
_NAMES: Final = " or ".join(_BY_NAME)
_ANSWER: Final[Any] = reduce(or_, (kind.answer for kind in KINDS))


def _asked(**of: Any) -> Mapping[str, Any]:
    """What each kind was asked, by its name."""
    return of


# FastAPI reads a dependency's parameters of its signature: here those of every kind.
_asked.__signature__ = Signature(  # type: ignore[attr-defined]  # as `inspect` documents it
    [
        Parameter(kind.name, Parameter.KEYWORD_ONLY, annotation=Annotated[Any, Depends(kind.parameters)])
        for kind in KINDS
    ]
)


@router.get(
    "/api/analytics/predictions",
    summary="What is going to happen",
    response_model=Success[_ANSWER],
    responses={**success("The prediction.", KINDS[0].example), **failures(404, *COMMON)},
)
async def get_predictions(
    use: Use,
    caller: Reader,
    request: Request,
    asked: Annotated[Mapping[str, Any], Depends(_asked)],
    kind: Annotated[
        str,
        Query(
            max_length=100,
            description="; ".join(f"`{kind.name}`: {kind.description}" for kind in KINDS) + ".",
            json_schema_extra={"enum": list(_BY_NAME)},
        ),
    ],
) -> Success[BaseModel]:
    """What is expected of the project, by `kind`; each kind has its own parameters and its own answer.

    The forecast of a metric that the task `forecast_metrics` has made today is answered as it was kept; of
    other metrics, horizons and holidays it is made now. Needs the scope `read`.
    """
    chosen = _BY_NAME.get(kind)
    if chosen is None:
        raise invalid([Detail(field="kind", reason=f"There is no such kind; use {_NAMES}.")])
    known = {"kind", *signature(chosen.parameters).parameters}
    if others := sorted(set(request.query_params) - known):
        reason = f"Predictions of the kind {kind} have no such parameter; leave it out."
        raise invalid([Detail(field=name, reason=reason) for name in others])
    return Success(data=await chosen.predict(use, caller, asked[kind]))
