"""What PostHog's SDKs ask for beside: no feature flags and no remote settings, in valid documents."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from loopin_api.openapi import bare, failures

router = APIRouter(tags=["PostHog's SDKs"])


Token = Annotated[str, Path(description="The project's write key.")]


class Flags(BaseModel):
    """No flags."""

    model_config = ConfigDict(extra="allow")

    flags: dict[str, Any] = Field(description="Flags by name; always empty.")
    featureFlags: dict[str, Any] = Field(description="Their values, as older SDKs read them; always empty.")
    featureFlagPayloads: dict[str, Any] = Field(description="Their payloads; always empty.")
    errorsWhileComputingFlags: bool = Field(description="Always false.")


class RemoteConfig(BaseModel):
    """Settings under which posthog-js does no more than capture events."""

    model_config = ConfigDict(extra="allow")

    supportedCompression: list[str] = Field(description="Compressions that the SDK may choose from.")
    hasFeatureFlags: bool = Field(description="Always false: the SDK need not ask for any.")


_FLAGS: Final[dict[str, Any]] = {
    "flags": {},
    "featureFlags": {},
    "featureFlagPayloads": {},
    "errorsWhileComputingFlags": False,
}
_SETTINGS: Final[dict[str, Any]] = {
    "supportedCompression": ["gzip", "gzip-js"],
    "hasFeatureFlags": False,
    "autocapture_opt_out": False,
    "autocaptureExceptions": False,
    "analytics": {"endpoint": "/i/v0/e/"},
    "capturePerformance": False,
    "captureDeadClicks": False,
    "elementsChainAsString": True,
    "errorTracking": {"autocaptureExceptions": False, "suppressionRules": []},
    "sessionRecording": False,
    "heatmaps": False,
    "surveys": False,
    "productTours": False,
    "conversations": False,
    "logs": {"captureConsoleLogs": False},
    "defaultIdentifiedOnly": True,
    "siteApps": [],
}
_DECIDED: Final[dict[str, Any]] = {
    **_FLAGS,
    **{name: _SETTINGS[name] for name in ("supportedCompression", "sessionRecording", "surveys", "siteApps")},
    "config": {"enable_collect_everything": True},
    "toolbarParams": {},
    "isAuthenticated": False,
}


@router.post(
    "/flags",
    summary="PostHog: feature flags",
    responses={**bare("No feature flags", _FLAGS), **failures(500)},
)
async def post_flags() -> Flags:
    """Public. There are no flags."""
    return Flags(**_FLAGS)


@router.post(
    "/decide",
    summary="PostHog: feature flags and settings, as older SDKs ask",
    responses={**bare("No feature flags, and settings to capture events only", _DECIDED), **failures(500)},
)
async def post_decide() -> Flags:
    """Public. There are no flags."""
    return Flags(**_DECIDED)


class EmptyLists(BaseModel):
    """What PostHog's service lists for its SDKs, each list by its name and empty."""

    model_config = ConfigDict(extra="allow")


_DEFINITIONS: Final[dict[str, Any]] = {"flags": [], "group_type_mapping": {}, "cohorts": {}}
_EMPTY: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    ("/flags/definitions", "definitions of feature flags", _DEFINITIONS),
    ("/api/feature_flag/local_evaluation", "definitions of feature flags, as older SDKs ask", _DEFINITIONS),
    ("/api/surveys", "surveys", {"surveys": []}),
    ("/api/early_access_features", "early access features", {"earlyAccessFeatures": []}),
    ("/api/web_experiments", "experiments of web pages", {"experiments": []}),
    ("/api/product_tours", "product tours", {"product_tours": []}),
)
"""What SDKs poll, and under which names they look for what there is."""


def _add(path: str, what: str, body: dict[str, Any]) -> None:
    async def get_empty_lists() -> EmptyLists:
        """Public. There are none; the same for every key, known or not."""
        return EmptyLists(**body)

    responses = {**bare("Empty lists, under the names that SDKs look for", body), **failures(500)}
    router.get(path, summary=f"PostHog: {what}", responses=responses)(get_empty_lists)


for _each in _EMPTY:
    _add(*_each)


@router.get(
    "/api/projects/{project}/feature_flags/{flag}/remote_config",
    summary="PostHog: a remote configuration",
    responses={**bare("`null`: there is no such configuration", None), **failures(422, 500)},
)
async def get_remote_config(
    project: Annotated[str, Path(description="The project, or `@current`.")],
    flag: Annotated[str, Path(description="The flag that holds it.")],
) -> None:
    """Public. There are none; the same for every key, known or not."""


@router.get(
    "/array/{token}/config",
    summary="PostHog: settings of posthog-js",
    responses={**bare("Settings to capture events only", _SETTINGS), **failures(422, 500)},
)
async def get_config(token: Token) -> RemoteConfig:
    """Public. The same for every key, known or not."""
    return RemoteConfig(**_SETTINGS)


@router.get(
    "/array/{token}/config.js",
    summary="PostHog: settings of posthog-js, as a script",
    response_class=Response,
    responses={
        200: {
            "description": "Sets them",
            "content": {"text/javascript": {"schema": {"type": "string"}, "example": "(function(){})();"}},
        },
        **failures(422, 500),
    },
)
async def get_config_script(token: Token) -> Response:
    """Public. The same for every key, known or not."""
    return Response(_script(token), media_type="text/javascript")


def _script(token: str) -> str:
    """The settings where posthog-js looks for them. ``json.dumps`` leaves only ASCII, hence no line ends."""
    name, settings = json.dumps(token), json.dumps({**_SETTINGS, "token": token})
    place = "window._POSTHOG_REMOTE_CONFIG"
    return f"(function(){{{place}={place}||{{}};{place}[{name}]={{config:{settings},siteApps:[]}};}})();"
