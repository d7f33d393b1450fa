"""What the endpoints work with, made once for an application, and who is asking."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, cast

from fastapi import Depends, Request, Security
from fastapi.dependencies.models import Dependant
from fastapi.security import HTTPBearer

from loopin_api.alert_rules import AlertRules
from loopin_api.auth import Authenticator, Caller, Scope, forbidden
from loopin_api.config_items import ConfigItems
from loopin_api.corrections import Corrections
from loopin_api.custom_metrics import Metrics
from loopin_api.envelope import Detail
from loopin_api.errors import invalid
from loopin_api.health import HealthBoard
from loopin_api.ingest.intake import Intake
from loopin_api.instruments import Instruments
from loopin_api.language_model import LanguageModel
from loopin_api.live.clients import Live
from loopin_api.project_settings import OwnSettings
from loopin_api.queries.first_personas import FirstPersonas
from loopin_api.settings import ApiSettings
from loopin_api.silences import Silences
from loopin_api.tasks import Tasks
from loopin_sinks.recommendations.shared import Shared
from loopin_sinks.store import Store
from loopin_streams.projects.project import Projects


@dataclass(frozen=True, slots=True)
class Services:
    """The application's parts."""

    settings: ApiSettings
    store: Store
    authenticator: Authenticator
    clock: Callable[[], datetime]
    intake: Intake
    health: HealthBoard
    instruments: Instruments
    metrics: Metrics
    live: Live
    corrections: Corrections
    items: ConfigItems
    alert_rules: AlertRules
    silences: Silences
    tasks: Tasks
    projects: Projects
    own_settings: OwnSettings
    language_model: LanguageModel
    first_personas: FirstPersonas
    recommended: Shared


def services(request: Request) -> Services:
    """The services of the application that got this request."""
    return cast(Services, request.app.state.services)


TOKEN = HTTPBearer(
    scheme_name="token",
    bearerFormat="JWT",
    description="A token signed with HS256. Claims: `sub` (the user), `project`, `scopes` (a list), `exp`.",
    auto_error=False,
)
KEY = HTTPBearer(
    scheme_name="key",
    bearerFormat="opaque",
    description="A key. A project's write key has the scope `ingest` only.",
    auto_error=False,
)


def _check_parameters(request: Request) -> None:
    """A filter that is misspelt must not be answered as if it were not there."""
    known = _parameters(request.scope["route"].dependant)
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        allowed = f"use {', '.join(sorted(known))}" if known else "there are none"
        reason = f"This path has no parameter of this name; {allowed}."
        raise invalid([Detail(field=name[:100], reason=reason) for name in unknown])


def _parameters(dependant: Dependant) -> set[str]:
    own = {parameter.alias for parameter in dependant.query_params}
    return own.union(*map(_parameters, dependant.dependencies))


def require(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    """A dependency that answers 401 or 403 unless the caller has the scope.

    After that, a parameter that the path does not have is answered with 422; but who sends events may be a
    library that adds some.
    """

    async def caller(
        request: Request, _by_token: object = Security(TOKEN), _by_key: object = Security(KEY)
    ) -> Caller:
        intake = services(request).intake
        found = await intake.by_header(request) or await intake.by_key(request, None)
        if scope != "ingest":
            del request.state.limit_headers  # they are for those who send events
        if not found.may(scope):
            raise forbidden(scope)
        if scope != "ingest" or request.method == "GET":
            _check_parameters(request)
        return found

    return caller


Use = Annotated[Services, Depends(services)]
Reader = Annotated[Caller, Depends(require("read"))]
Writer = Annotated[Caller, Depends(require("write"))]
Admin = Annotated[Caller, Depends(require("admin"))]
Ingester = Annotated[Caller, Depends(require("ingest"))]
