"""Requests made from the OpenAPI description meet no 500, and no answer that it does not describe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from loopin_api.app import create_app
from loopin_api.auth import issue_jwt
from loopin_api.settings import ApiSettings
from tests.api.conftest import SECRET, WRITE_KEY
from tests.api.served import Served, served

pytestmark = pytest.mark.scenario

_APP = create_app(ApiSettings.model_validate({"jwt_secret": SECRET}), cast(Any, None), cast(Any, None))
_SCHEMA = schemathesis.openapi.from_dict(_APP.openapi())
OPERATIONS = {
    operation.label: operation
    for found in _SCHEMA.get_all_operations()
    if isinstance(operation := found.ok(), schemathesis.APIOperation)  # type: ignore[union-attr]
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    limits = {"rate_limit_events_per_minute": 10**9, "rate_limit_failures_per_minute": 10**9}
    with served(tmp_path_factory.mktemp("described"), limits, queries=True) as answering:
        yield answering


@pytest.mark.parametrize("label", OPERATIONS)
@settings(max_examples=10, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_request_meets_a_500(running: Served, label: str, data: st.DataObject) -> None:
    case = data.draw(OPERATIONS[label].as_strategy())
    token = issue_jwt(SECRET, sub="user-1", project="shop", scopes=["ingest", "read"], ttl_s=600)
    bearer = WRITE_KEY if case.path.startswith("/v1/") else token
    headers = {"Authorization": f"Bearer {bearer}"}

    response = case.call(base_url=running.url, headers=headers, timeout=60)

    assert response.status_code != 500, response.text
    case.validate_response(response, checks=[status_code_conformance, response_schema_conformance])
