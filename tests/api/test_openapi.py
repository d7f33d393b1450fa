"""The description is valid, complete, and true of what is answered."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from fastapi import FastAPI

PATHS = {
    "/": {"get"},
    "/healthz": {"get"},
    "/readyz": {"get"},
    "/metrics": {"get"},
    "/api/analytics/health": {"get"},
    "/api/analytics/overview": {"get"},
    "/api/analytics/sentiment": {"post"},
    "/api/analytics/events/track": {"post"},
    "/api/analytics/events/batch": {"post"},
    "/api/analytics/export/events": {"get"},
    "/api/analytics/export": {"get"},
}


@pytest.fixture
def described(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


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
        assert operation["responses"]["200"]["description"], name


def test_every_answer_has_an_example_that_fits_its_schema(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        for status, response in operation["responses"].items():
            for media, content in response["content"].items():
                assert "example" in content, (name, status)
                if media == "application/json":
                    jsonschema.validate(content["example"], resolved(described, content["schema"]))
            if status != "200":
                example = response["content"]["application/json"]["example"]
                assert example["success"] is False
                assert "$ref" in response["content"]["application/json"]["schema"], (name, status)


def test_every_body_has_examples_that_fit_its_schema(described: dict[str, Any]) -> None:
    posts = [operation for name, operation in operations(described) if name.startswith("post")]
    for operation in posts:
        content = operation["requestBody"]["content"]["application/json"]
        assert content["examples"]
        for example in content["examples"].values():
            jsonschema.validate(example["value"], resolved(described, content["schema"]))
        assert {"400", "413", "415", "422"} <= set(operation["responses"])


def test_guarded_paths_name_both_ways_to_sign_in(described: dict[str, Any]) -> None:
    assert set(described["components"]["securitySchemes"]) == {"token", "key"}
    for name, operation in operations(described):
        if "security" in operation:
            assert operation["security"] == [{"token": []}, {"key": []}], name
            assert {"401", "403"} <= set(operation["responses"]), name
            assert "Needs the scope" in operation["description"], name
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
