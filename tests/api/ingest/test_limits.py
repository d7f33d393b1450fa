from __future__ import annotations

import time

import pytest

from loopin_api.auth import Caller
from loopin_api.errors import ApiError
from loopin_api.ingest.limits import DAY_S, Limits, network_of
from loopin_api.settings import ApiSettings

WEB = Caller("shop", frozenset({"ingest"}), None, "web")
APP = Caller("shop", frozenset({"ingest"}), None, "app")


def limits(**settings: int) -> Limits:
    return Limits(ApiSettings.model_validate(settings))


async def test_a_key_is_told_how_much_it_may_still_send() -> None:
    some = limits(rate_limit_events_per_minute=100)
    headers = await some.charge(WEB, 30)
    assert (headers["RateLimit-Limit"], headers["RateLimit-Remaining"]) == ("100", "70")
    assert 1 <= int(headers["RateLimit-Reset"]) <= 60


async def test_each_key_has_its_own_minute() -> None:
    some = limits(rate_limit_events_per_minute=10)
    # More than is left is still taken, once: a batch larger than the limit would wait for ever.
    assert (await some.charge(WEB, 50))["RateLimit-Remaining"] == "0"
    with pytest.raises(ApiError) as refused:
        await some.charge(WEB, 1)
    assert (refused.value.status, refused.value.code) == (429, "RATE_LIMITED")
    assert 1 <= int(refused.value.headers["Retry-After"]) <= 60
    assert (await some.charge(APP, 1))["RateLimit-Remaining"] == "9"


async def test_bytes_are_counted_too() -> None:
    some = limits(rate_limit_bytes_per_minute=1000)
    await some.charge_bytes("web", 5000)
    with pytest.raises(ApiError) as refused:
        await some.charge_bytes("web", 1)
    assert (refused.value.status, refused.value.code) == (429, "RATE_LIMITED")
    assert "1000 bytes" in refused.value.message
    assert 1 <= int(refused.value.headers["Retry-After"]) <= 60
    await some.charge_bytes("app", 1)


async def test_a_strangers_bytes_are_its_networks_until_a_key_is_found() -> None:
    some = limits(rate_limit_bytes_per_minute=1000)
    for _ in range(3):
        await some.charge_stranger("2001:db8::1", 1000)
        await some.excuse_stranger("2001:db8::1", 1000)
    await some.charge_stranger("2001:db8::1", 1000)
    with pytest.raises(ApiError) as refused:
        await some.charge_stranger("2001:db8::2", 1)
    assert (refused.value.status, refused.value.code) == (429, "RATE_LIMITED")
    await some.charge_stranger("2001:db8:0:1::1", 1)


async def test_a_project_has_a_quota_for_each_day() -> None:
    now = [time.time()]
    some = Limits(ApiSettings.model_validate({"quota_events_per_day": 10}), clock=lambda: now[0])
    await some.charge(WEB, 10)
    with pytest.raises(ApiError) as refused:
        await some.charge(APP, 1)
    assert (refused.value.status, refused.value.code) == (402, "QUOTA_SPENT")
    assert "Retry-After" not in refused.value.headers
    now[0] += DAY_S
    await some.charge(APP, 1)


async def test_what_the_quota_refuses_costs_the_key_nothing() -> None:
    some = limits(quota_events_per_day=1, rate_limit_events_per_minute=100)
    await some.charge(WEB, 1)
    for _ in range(3):
        with pytest.raises(ApiError):
            await some.charge(WEB, 50)
    with pytest.raises(ApiError) as refused:
        await some.charge(WEB, 50)
    assert refused.value.status == 402


async def test_strangers_have_few_tries() -> None:
    some = limits(rate_limit_failures_per_minute=2)
    for _ in range(2):
        await some.check_stranger("203.0.113.9")
        await some.count_failure("203.0.113.9")
    with pytest.raises(ApiError) as refused:
        await some.check_stranger("203.0.113.9")
    assert refused.value.status == 429
    await some.check_stranger("203.0.113.10")


def test_the_addresses_of_one_network_are_one_client() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff") == "2001:db8::"
    assert network_of("2001:db8:0:1::1") != network_of("2001:db8::1")
    assert network_of("203.0.113.9") != network_of("203.0.113.10")
    assert network_of("") == "unknown"
