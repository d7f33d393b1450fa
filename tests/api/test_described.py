"""Requests made from the OpenAPI description meet no 500, and no answer that it does not describe."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from loopin_api.auth import issue_jwt
from tests.api.conftest import SECRET, WRITE_KEY
from tests.api.served import Served, served

schema = schemathesis.pytest.from_fixture("described")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    limits = {"rate_limit_events_per_minute": 10**9, "rate_limit_failures_per_minute": 10**9}
    with served(tmp_path_factory.mktemp("described"), limits, queries=True) as answering:
        yield answering


@pytest.fixture(scope="module")
def described(running: Served) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_dict(requests.get(f"{running.url}/openapi.json", timeout=60).json())


@schema.parametrize()
@settings(
    max_examples=15,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_request_meets_a_500(case: schemathesis.Case, running: Served) -> None:
    token = issue_jwt(SECRET, sub="user-1", project="shop", scopes=["ingest", "read"], ttl_s=600)
    by_key = case.path.startswith("/v1/")
    headers = {"Authorization": f"Bearer {WRITE_KEY if by_key else token}"}
    response = case.call(base_url=running.url, headers=headers, timeout=60)
    assert response.status_code != 500, response.text
    case.validate_response(response, checks=[status_code_conformance, response_schema_conformance])
