"""/api/analytics/alert-rules: when somebody is to be told; the built-in rules, and one's own."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from loopin_api.alert_rules import BUILT_IN_RULES, Held
from loopin_api.body import json_body
from loopin_api.envelope import Detail, Success
from loopin_api.errors import invalid
from loopin_api.openapi import COMMON, WITH_BODY, failures, request_body, success
from loopin_api.routers.metric_definitions import reason_of
from loopin_api.services import Reader, Use, Writer
from loopin_schemas.alert_rule import AlertRule, Grain
from loopin_schemas.names import NAME
from loopin_streams.alerts.source import source_of

router = APIRouter(tags=["alerts"])

RuleName = Annotated[str, Path(max_length=64, description="The rule's name.")]
Version = Annotated[
    str | None,
    Query(
        max_length=64,
        description="The version that you have seen; 409 where it is another one by now. Any by default.",
    ),
]

_NAME: Final = "Its name: lower case, digits and underscores, 64 at most."
_METRIC: Final = (
    "What is judged: a metric of the catalogue or of your own, or one of the stream's series `events`, "
    "`active_users`, `sentiment` (split by `event` or `country`) and `invalid_ratio` (by `reason`)."
)
_CONDITION: Final = (
    "When it is true. `type` is `threshold` (`direction` above or below, `warning`, `critical` in the "
    "metric's unit, `hysteresis` a share of the limit, `chance` for ratios), `change` (`direction` up, down "
    "or both; `against` previous, day or week; `warning`, `critical` as shares), `anomaly` (`direction`; "
    "`warning`, `critical` in robust standard deviations) or `absence` (`windows`, `least`, `severity`)."
)
_GRAIN: Final = "Length of the windows that are judged."
_SPANS: Final = (
    "How many windows together are judged, up to the newest: of several numbers, the first with `at_least` "
    "counts. More than 1 for thresholds only."
)
_LONGER: Final = (
    "Windows to judge together where none of `spans` has `at_least`, in turn; for thresholds only."
)
_BY: Final = "Dimension whose values have an alert each; empty for the whole."
_AT_LEAST: Final = "Events or users below which nothing is said, count."
_FOR: Final = "How long it must be true before it fires, seconds of event time."
_QUIET: Final = "After it has ended, until it may fire again, seconds of event time."
_REMIND: Final = "Until an alert that nobody looks after is told again, seconds; 0 for never."
_ESCALATE: Final = "Until it is told as escalated, seconds; 0 for never."
_ENABLED: Final = "False to switch it off."
_DESCRIPTION: Final = "What it means and what to do, for a person."
_LABELS: Final = "For whoever routes alerts."


Key = Annotated[str, StringConstraints(max_length=64)]
Text = Annotated[str, StringConstraints(max_length=200)]


class LongerSpan(BaseModel):
    """Some windows together."""

    model_config = ConfigDict(extra="forbid")

    grain: Grain = Field(description="Their length.")
    windows: int = Field(1, ge=1, le=60, description="How many, up to the newest, count.")


class AlertRuleAnswer(BaseModel):
    """A rule."""

    name: str = Field(description="Its name.")
    metric: str = Field(description=_METRIC)
    condition: dict[str, Any] = Field(description=_CONDITION)
    grain: Grain = Field(description=_GRAIN)
    spans: list[int] = Field(description=_SPANS)
    longer: list[LongerSpan] = Field(description=_LONGER)
    by: str = Field(description=_BY)
    at_least: int = Field(description=_AT_LEAST)
    for_s: int = Field(description=_FOR)
    quiet_s: int = Field(description=_QUIET)
    remind_s: int = Field(description=_REMIND)
    escalate_s: int = Field(description=_ESCALATE)
    enabled: bool = Field(description=_ENABLED)
    description: str = Field(description=_DESCRIPTION)
    labels: dict[str, str] = Field(description=_LABELS)
    built_in: bool = Field(description="Whether it is the release's own.")
    replaces_built_in: bool = Field(description="Whether it is your own in the place of a built-in one.")
    judged_by: Literal["stream", "store"] = Field(
        description="`stream`: within seconds, on the stream's windows; `store`: now and then, by a query."
    )
    version: str = Field(description="Another one after each change; of a built-in rule, the release.")
    changed_by: str | None = Field(description="Who changed it last; null for a built-in one.")


class AlertRuleRequest(BaseModel):
    """A rule of one's own."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=NAME, max_length=64, description=_NAME)
    metric: str = Field(min_length=1, max_length=200, description=_METRIC)
    condition: dict[str, Any] = Field(description=_CONDITION)
    grain: Grain = Field("minute", description=_GRAIN)
    spans: list[int] = Field([1], min_length=1, max_length=4, description=_SPANS)
    longer: list[LongerSpan] = Field(default_factory=list, max_length=4, description=_LONGER)
    by: str = Field("", max_length=64, description=_BY)
    at_least: int = Field(0, ge=0, description=_AT_LEAST)
    for_s: int = Field(0, ge=0, le=604_800, description=_FOR)
    quiet_s: int = Field(3600, ge=0, le=604_800, description=_QUIET)
    remind_s: int = Field(0, ge=0, le=604_800, description=_REMIND)
    escalate_s: int = Field(0, ge=0, le=604_800, description=_ESCALATE)
    enabled: bool = Field(True, description=_ENABLED)
    description: str = Field("", max_length=500, description=_DESCRIPTION)
    labels: dict[Key, Text] = Field(default_factory=dict, max_length=20, description=_LABELS)


class AlertRulePatch(BaseModel):
    """What to change of a rule; what is not named stays."""

    model_config = ConfigDict(extra="forbid")

    metric: str = Field("", min_length=1, max_length=200, description=_METRIC)
    condition: dict[str, Any] = Field(default_factory=dict, description=_CONDITION)
    grain: Grain = Field("minute", description=_GRAIN)
    spans: list[int] = Field([1], min_length=1, max_length=4, description=_SPANS)
    longer: list[LongerSpan] = Field(default_factory=list, max_length=4, description=_LONGER)
    by: str = Field("", max_length=64, description=_BY)
    at_least: int = Field(0, ge=0, description=_AT_LEAST)
    for_s: int = Field(0, ge=0, le=604_800, description=_FOR)
    quiet_s: int = Field(3600, ge=0, le=604_800, description=_QUIET)
    remind_s: int = Field(0, ge=0, le=604_800, description=_REMIND)
    escalate_s: int = Field(0, ge=0, le=604_800, description=_ESCALATE)
    enabled: bool = Field(True, description=_ENABLED)
    description: str = Field("", max_length=500, description=_DESCRIPTION)
    labels: dict[Key, Text] = Field(default_factory=dict, max_length=20, description=_LABELS)


RULE_EXAMPLE: Final[dict[str, Any]] = {
    "name": "registrations_absent",
    "metric": "new_registrations",
    "condition": {"type": "absence", "windows": 30, "least": 1, "severity": "critical"},
    "grain": "minute",
    "spans": [1],
    "longer": [],
    "by": "",
    "at_least": 60,
    "for_s": 0,
    "quiet_s": 3600,
    "remind_s": 0,
    "escalate_s": 1800,
    "enabled": True,
    "description": "Nobody has registered for half an hour: try to.",
    "labels": {"team": "growth"},
    "built_in": False,
    "replaces_built_in": False,
    "judged_by": "stream",
    "version": "4f1c2ab09d3e7715",
    "changed_by": "asha",
}
_REQUEST: Final = {
    "name": "registrations_absent",
    "metric": "new_registrations",
    "condition": {"type": "absence", "windows": 30},
    "at_least": 60,
    "escalate_s": 1800,
    "description": "Nobody has registered for half an hour: try to.",
    "labels": {"team": "growth"},
}
_LIMITS: Final = {"condition": {"type": "threshold", "warning": 0.15, "critical": 0.3}}


@router.get(
    "/api/analytics/alert-rules",
    summary="List the rules of alerts",
    responses={**success("The rules by name.", [RULE_EXAMPLE]), **failures(*COMMON)},
)
async def get_rules(use: Use, caller: Reader) -> Success[list[AlertRuleAnswer]]:
    """The built-in rules and your own, also those that are switched off. Needs the scope `read`."""
    return Success(data=[_answer(held) for held in use.alert_rules.all(caller.project)])


@router.get(
    "/api/analytics/alert-rules/{name}",
    summary="One rule",
    responses={**success("The rule.", RULE_EXAMPLE), **failures(404, *COMMON)},
)
async def get_rule(use: Use, caller: Reader, name: RuleName) -> Success[AlertRuleAnswer]:
    """A rule as it is in force. Needs the scope `read`."""
    return Success(data=_answer(use.alert_rules.find(caller.project, name)))


@router.post(
    "/api/analytics/alert-rules",
    summary="Make a rule",
    status_code=201,
    responses={201: success("Made.", RULE_EXAMPLE)[200], **failures(409, *COMMON, *WITH_BODY)},
    openapi_extra=request_body(AlertRuleRequest, {"absence": _REQUEST}),
)
async def post_rule(
    use: Use,
    caller: Writer,
    body: Annotated[AlertRuleRequest, Depends(json_body(AlertRuleRequest))],
) -> Success[AlertRuleAnswer]:
    """Makes a rule of your own, in force within a second. Needs the scope `write`."""
    rule = _rule(caller.project, body.model_dump())
    return Success(data=_answer(await use.alert_rules.add(rule, caller.author)))


@router.put(
    "/api/analytics/alert-rules/{name}",
    summary="Replace a rule",
    responses={**success("As it is now.", RULE_EXAMPLE), **failures(404, 409, *COMMON, *WITH_BODY)},
    openapi_extra=request_body(AlertRuleRequest, {"absence": _REQUEST}),
)
async def put_rule(
    use: Use,
    caller: Writer,
    name: RuleName,
    body: Annotated[AlertRuleRequest, Depends(json_body(AlertRuleRequest))],
    version: Version = None,
) -> Success[AlertRuleAnswer]:
    """Replaces all of a rule; of a built-in one, by your own of its name. Needs the scope `write`."""
    if body.name != name:
        raise invalid([Detail(field="name", reason="A rule keeps its name; give that of the path.")])
    rule = _rule(caller.project, body.model_dump())
    return Success(data=_answer(await use.alert_rules.change(rule, version, caller.author)))


@router.patch(
    "/api/analytics/alert-rules/{name}",
    summary="Change a rule",
    responses={**success("As it is now.", RULE_EXAMPLE), **failures(404, 409, *COMMON, *WITH_BODY)},
    openapi_extra=request_body(AlertRulePatch, {"limits": _LIMITS, "off": {"enabled": False}}),
)
async def patch_rule(
    use: Use,
    caller: Writer,
    name: RuleName,
    body: Annotated[AlertRulePatch, Depends(json_body(AlertRulePatch))],
    version: Version = None,
) -> Success[AlertRuleAnswer]:
    """Changes the fields named here; of a built-in rule, in a copy of your own that takes its place.

    Needs the scope `write`.
    """
    held = use.alert_rules.find(caller.project, name)
    rule = patched(held.rule, caller.project, body)
    # What is patched is what was read here, and nothing newer.
    return Success(data=_answer(await use.alert_rules.change(rule, version or held.version, caller.author)))


@router.delete(
    "/api/analytics/alert-rules/{name}",
    summary="Delete a rule of one's own",
    responses={**success("Deleted; this is what it was.", RULE_EXAMPLE), **failures(404, 409, *COMMON)},
)
async def delete_rule(
    use: Use, caller: Writer, name: RuleName, version: Version = None
) -> Success[AlertRuleAnswer]:
    """Deletes a rule of your own. Where it stood in the place of a built-in one, that one is in force again.

    Its alerts that are not over are resolved. Needs the scope `write`.
    """
    return Success(data=_answer(await use.alert_rules.remove(caller.project, name, version)))


def patched(rule: AlertRule, project: str, body: AlertRulePatch) -> AlertRule:
    """The rule with the changes of a request, as one of the project.

    Raises:
        ApiError: 422 that names what does not fit.
    """
    return _rule(project, {**msgspec.to_builtins(_whole(rule)), **body.model_dump(exclude_unset=True)})


def _rule(project: str, told: dict[str, Any]) -> AlertRule:
    try:
        return msgspec.convert({**told, "project": project}, AlertRule)
    except msgspec.ValidationError as error:
        whole = "spans" if "span" in str(error) else "condition"
        raise invalid([reason_of(error, whole)]) from None


def _whole(rule: AlertRule) -> dict[str, Any]:
    """All fields of a rule, those too that are as they are by default."""
    return msgspec.structs.asdict(rule)


def _answer(held: Held) -> AlertRuleAnswer:
    rule, item = held.rule, held.item
    told = {**msgspec.to_builtins(_whole(rule)), "condition": _condition(rule)}
    del told["project"]
    return AlertRuleAnswer(
        **told,
        built_in=item is None,
        replaces_built_in=item is not None and rule.name in BUILT_IN_RULES,
        judged_by="store" if source_of(rule) is None else "stream",
        version=held.version,
        changed_by=None if item is None else item.by,
    )


def _condition(rule: AlertRule) -> dict[str, Any]:
    kind = type(rule.condition).__struct_config__.tag
    return {"type": kind, **msgspec.structs.asdict(rule.condition)}
