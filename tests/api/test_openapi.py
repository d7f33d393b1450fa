"""The description is valid, complete, and true of what is answered."""

from __future__ import annotations

from typing import Any

import jsonschema

PATHS = {
    "/": {"get"},
    "/healthz": {"get"},
    "/readyz": {"get"},
    "/metrics": {"get"},
    "/static/loopin.js": {"get"},
    "/api/analytics/health": {"get"},
    "/api/analytics/overview": {"get"},
    "/api/analytics/business": {"get"},
    "/api/analytics/content": {"get"},
    "/api/analytics/real-time": {"get"},
    "/api/analytics/live": {"get"},
    "/api/analytics/users": {"get"},
    "/api/analytics/users/{user_id}": {"get"},
    "/api/analytics/user-behavior": {"post"},
    "/api/analytics/content/{content_type}/{object_id}": {"get"},
    "/api/analytics/metrics/{name}": {"get"},
    "/api/analytics/metrics/calculate": {"post"},
    "/api/analytics/metrics/calculations/{id}": {"get"},
    "/api/analytics/project": {"get", "patch"},
    "/api/analytics/tasks": {"get", "post"},
    "/api/analytics/tasks/{name}": {"patch", "delete"},
    "/api/analytics/tasks/{name}/run": {"post"},
    "/api/analytics/task-runs": {"get"},
    "/api/analytics/task-runs/{id}": {"get"},
    "/api/analytics/task-runs/{id}/cancel": {"post"},
    "/api/analytics/metric-definitions": {"get", "post"},
    "/api/analytics/metric-definitions/{name}": {"delete"},
    "/api/analytics/predictions": {"get"},
    "/api/analytics/anomalies": {"get"},
    "/api/analytics/alerts": {"get"},
    "/api/analytics/alerts/{id}": {"get"},
    "/api/analytics/alerts/{id}/ack": {"post"},
    "/api/analytics/alerts/test": {"post"},
    "/api/analytics/alert-rules": {"get", "post"},
    "/api/analytics/alert-rules/{name}": {"get", "put", "patch", "delete"},
    "/api/analytics/alert-rules/{name}/backtest": {"post"},
    "/api/analytics/silences": {"get", "post"},
    "/api/analytics/silences/{id}": {"delete"},
    "/api/analytics/clustering": {"post"},
    "/api/analytics/recommendations/{user_id}": {"get"},
    "/api/analytics/recommendations/similar/{type}/{id}": {"get"},
    "/api/analytics/content-hints": {"get"},
    "/api/analytics/insights": {"get", "post"},
    "/api/analytics/insights/generate": {"post"},
    "/api/analytics/insights/runs/{id}": {"get"},
    "/api/analytics/insights/{id}": {"get"},
    "/api/analytics/insights/{id}/lineage": {"get"},
    "/api/analytics/insights/{id}/dismiss": {"post"},
    "/api/analytics/insights/{id}/rate": {"post"},
    "/api/analytics/sentiment": {"post"},
    "/api/analytics/sentiment/{uuid}": {"get"},
    "/api/analytics/events/track": {"post"},
    "/api/analytics/events": {"post"},
    "/api/analytics/events/batch": {"post"},
    "/api/community-analytics/track": {"post"},
    "/api/geo-analytics/track": {"post"},
    "/api/community-analytics/{id}/realtime": {"get"},
    "/api/community-analytics/{id}/report": {"get"},
    "/api/geo-analytics/{id}/effectiveness": {"get"},
    "/api/geo-analytics/{id}/report": {"get"},
    "/api/daily": {"get", "post"},
    "/api/daily/{id}": {"get", "put", "patch", "delete"},
    "/api/user-analytics": {"get", "post"},
    "/api/user-analytics/{id}": {"get", "put", "patch", "delete"},
    "/api/daily/{id}/history": {"get"},
    "/api/user-analytics/{id}/history": {"get"},
    "/api/metrics/{id}/history": {"get"},
    "/api/errors/{id}/history": {"get"},
    "/api/metrics": {"get", "post"},
    "/api/metrics/{id}": {"get", "put", "patch", "delete"},
    "/api/errors": {"get", "post"},
    "/api/errors/{id}": {"get", "put", "patch", "delete"},
    "/api/errors/groups": {"get"},
    "/api/errors/groups/{fingerprint}": {"get", "patch"},
    "/batch": {"post"},
    "/capture": {"get", "post"},
    "/e": {"get", "post"},
    "/i/v0/e": {"post"},
    "/i/v0/ai/batch": {"post"},
    "/i/v1/analytics/events": {"post"},
    "/flags": {"post"},
    "/decide": {"post"},
    "/flags/definitions": {"get"},
    "/api/feature_flag/local_evaluation": {"get"},
    "/api/surveys": {"get"},
    "/api/early_access_features": {"get"},
    "/api/web_experiments": {"get"},
    "/api/product_tours": {"get"},
    "/api/projects/{project}/feature_flags/{flag}/remote_config": {"get"},
    "/array/{token}/config": {"get"},
    "/array/{token}/config.js": {"get"},
    **{
        f"/v1/{kind}": {"post"} for kind in ("track", "identify", "page", "screen", "group", "alias", "batch")
    },
    **{f"/v1/{kind}": {"post"} for kind in "tipsgab"},
    "/api/analytics/export/events": {"get"},
    "/api/analytics/export": {"get"},
}

GOOD = ("200", "201", "202", "204")

ENVELOPE = {"success", "error", "error_code", "details", "timestamp"}
OTHER_WORDS = {
    f"#/components/schemas/{name}": fields
    for name, fields in {
        "PostHogError": {"type", "code", "detail", "attr"},
        "PostHogV1Error": {"error", "error_description"},
        "SegmentError": {"code", "message"},
    }.items()
}
"""Errors in the words of the services whose SDKs ask, and their fields."""

WITHOUT_BODY = {
    "post /flags",
    "post /decide",
    "post /api/analytics/alerts/test",
    "post /api/analytics/task-runs/{id}/cancel",
    "post /api/analytics/insights/generate",
}
"""They do the same whatever the body says."""

BY_KEY_IN_BODY = ("/batch", "/capture", "/e", "/i/v0/", "/v1/")


def resolved(described: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "components": described["components"]}


def operations(described: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(f"{way} {path}", one) for path, ways in described["paths"].items() for way, one in ways.items()]


def test_every_path_is_described(described: dict[str, Any]) -> None:
    assert described["openapi"].startswith("3.1")
    assert {path: set(ways) for path, ways in described["paths"].items()} == PATHS
    for name, operation in operations(described):
        assert operation["summary"], name
        assert operation["description"], name
        assert any(operation["responses"].get(good, {}).get("description") for good in GOOD), name


def test_every_answer_has_an_example_that_fits_its_schema(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        with_body = {status: one for status, one in operation["responses"].items() if status != "204"}
        for status, response in with_body.items():
            for media, content in response["content"].items():
                assert "example" in content, (name, status)
                if media == "application/json":
                    jsonschema.validate(content["example"], resolved(described, content["schema"]))
            if status not in GOOD:
                content = response["content"]["application/json"]
                reference = content["schema"]["$ref"]
                assert set(content["example"]) == OTHER_WORDS.get(reference, ENVELOPE), (name, status)
                assert reference in OTHER_WORDS or content["example"]["success"] is False


def test_every_body_has_examples_that_fit_its_schema(described: dict[str, Any]) -> None:
    posts = [
        operation
        for name, operation in operations(described)
        if name.startswith("post") and name not in WITHOUT_BODY
    ]
    for operation in posts:
        content = operation["requestBody"]["content"]["application/json"]
        assert content["examples"]
        for example in content["examples"].values():
            jsonschema.validate(example["value"], resolved(described, content["schema"]))
        assert {"400", "413", "415"} <= set(operation["responses"])


def test_guarded_paths_name_both_ways_to_sign_in(described: dict[str, Any]) -> None:
    assert set(described["components"]["securitySchemes"]) == {"token", "key"}
    for name, operation in operations(described):
        if "security" in operation:
            assert operation["security"] == [{"token": []}, {"key": []}], name
            assert {"401", "403"} <= set(operation["responses"]), name
            assert "Needs the scope" in operation["description"], name
        elif name.partition(" ")[2].startswith(BY_KEY_IN_BODY):
            assert "authenticated by the write key" in operation["description"], name
            assert {"401", "403"} <= set(operation["responses"]), name
        else:
            assert operation["description"].startswith("Public."), name


def test_every_field_and_parameter_is_described(described: dict[str, Any]) -> None:
    missing = [
        f"{schema_name}.{field}"
        for schema_name, schema in described["components"]["schemas"].items()
        for field, of in schema.get("properties", {}).items()
        if "description" not in of and field not in ("success", "data")
    ]
    assert missing == []
    assert all(
        parameter.get("description")
        for _, operation in operations(described)
        for parameter in operation.get("parameters", [])
    )


def test_references_lead_somewhere(described: dict[str, Any]) -> None:
    def references(value: Any) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
            return own.union(*map(references, value.values()))
        if isinstance(value, list):
            return set().union(*map(references, value))
        return set()

    known = {f"#/components/schemas/{name}" for name in described["components"]["schemas"]}
    assert references(described) <= known
