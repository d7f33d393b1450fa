from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_producers.http_request import (
    UNMATCHED,
    UTM,
    HttpRequest,
    answered,
    campaign,
    current_url,
    path_filter,
    plain,
    request_properties,
)
from loopin_producers.properties import encode_properties
from loopin_schemas.validation import check_properties


def request(headers: Mapping[str, str] | None = None, **own: Any) -> HttpRequest:
    found = {"scheme": "https", "host": "shop.example", "prefix": "", "query": "", "peer": "203.0.113.9"}
    return HttpRequest(**{**found, **own}, header=(headers or {}).get)


def test_a_bare_request_says_little() -> None:
    assert request_properties(request(peer=None), "keep", 0) == {}


def test_a_user_agent_is_passed_on_unread() -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64) é"
    assert request_properties(request({"user-agent": agent}), "drop", 0) == {"$raw_user_agent": agent}
    long = request_properties(request({"user-agent": "x" * 9000}), "drop", 0)
    assert len(long["$raw_user_agent"]) == 500


@pytest.mark.parametrize(
    ("referrer", "kept", "domain"),
    [
        ("https://Search.example:8443/find?q=me#x", "https://Search.example:8443/find", "search.example"),
        ("http://ann:pw@a.example/", "http://a.example/", "a.example"),
        ("https://[2001:db8::1]/x", "https://[2001:db8::1]/x", "2001:db8::1"),
        ("android-app://com.example", None, None),
        ("about:blank", None, None),
        ("http://[::1", None, None),
        ("/relative", None, None),
        ("http://", None, None),
    ],
)
def test_referrers_lose_what_is_private(referrer: str, kept: str | None, domain: str | None) -> None:
    found = request_properties(request({"referer": referrer}), "drop", 0)
    assert (found.get("$referrer"), found.get("$referring_domain")) == (kept, domain)


@given(st.dictionaries(st.sampled_from((*UTM, "utm_other", "q", "token")), st.text(max_size=9), max_size=4))
def test_a_campaign_is_what_the_standard_library_reads(parameters: dict[str, str]) -> None:
    query = urlencode(parameters)
    found = campaign(query)
    for name in UTM:
        expected = next(filter(None, (plain(text, 200) for text in parse_qs(query).get(name, []))), None)
        assert found.get(name) == expected
    assert found.keys() <= {*UTM, "campaign_source", "campaign_medium"}
    assert found.get("campaign_source") == found.get("utm_source")
    assert found.get("campaign_medium") == found.get("utm_medium")


def test_an_address_keeps_its_campaign_only() -> None:
    here = request(query="utm_source=a%20b&token=x&utm_source=2")
    assert current_url(here, "/a b/é/", campaign(here.query)) == (
        "https://shop.example/a%20b/%C3%A9/?utm_source=a+b"
    )
    assert current_url(request(query="utm_other=1"), "/", {}) == "https://shop.example/"


@pytest.mark.parametrize(
    ("prefix", "route", "path"),
    [
        ("", "/tickets/<int:id>/", "/tickets/<int:id>/"),
        ("/shop", "/tickets/{id}", "/shop/tickets/{id}"),
        ("", r"/old/(?P<id>[0-9]+)/$", r"/old/(%3FP<id>[0-9]+)/$"),
        ("", "/a?b#c", "/a%3Fb%23c"),
        ("", None, "/(unmatched)"),
        ("/shop", None, "/shop/(unmatched)"),
        ("", "/\ud800", "/%3F"),
    ],
)
def test_an_address_has_its_routes_pattern_for_a_path(prefix: str, route: str | None, path: str) -> None:
    url = current_url(request(prefix=prefix, query="utm_term=a"), route, {"utm_term": "a"})
    assert url == f"https://shop.example{path}?utm_term=a"
    assert urlsplit(url).path == path


@pytest.mark.parametrize(
    ("host", "forwarded", "kept"),
    [
        ("shop.example", None, "https://Shop.example:8443/"),
        ("SHOP.example:8000", None, "https://Shop.example:8443/"),
        ("10.0.0.7:8000", "cdn.example, shop.example", "https://Shop.example:8443/"),
        ("10.0.0.7:8000", None, "https://Shop.example:8443/tickets/5/"),
        ("[::1", "]", "https://Shop.example:8443/tickets/5/"),
    ],
)
def test_referrers_of_our_own_host_lose_their_path(host: str, forwarded: str | None, kept: str) -> None:
    headers = {"referer": "https://Shop.example:8443/tickets/5/?q=1"}
    if forwarded is not None:
        headers["x-forwarded-host"] = forwarded
    found = request_properties(request(headers, host=host), "drop", 0)
    assert found == {"$referrer": kept, "$referring_domain": "shop.example"}


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=300),
    st.text(max_size=300),
    st.text(max_size=300),
)
def test_nothing_that_is_sent_makes_an_event_invalid(path: str, query: str, header: str) -> None:
    everything = dict.fromkeys(("user-agent", "referer", "x-forwarded-for"), header)
    here = request(everything, query=query, host=header, peer=header)
    properties = request_properties(here, "keep", 1)
    found = {
        **properties,
        **answered(path, header, 200, 0.5),
        "$current_url": current_url(here, f"/{path}", properties),
    }
    assert check_properties(encode_properties(found))["duration_ms"] == 500


def test_an_answer() -> None:
    assert answered("/x/<int:id>/", "GET", 204, 0.0123456) == {
        "route": "/x/<int:id>/",
        "method": "GET",
        "status": 204,
        "duration_ms": 12.346,
    }
    assert answered(None, None, 404, 0.0)["route"] == UNMATCHED


@pytest.mark.parametrize(
    ("path", "left_out"),
    [
        ("/static/x.css", True),
        ("/static", False),
        ("/health", True),
        ("/health/", True),
        ("/health/live", True),
        ("/healthcare", False),
        ("/healthz", False),
        ("/favicon.ico", True),
        ("/", False),
        ("/x/static/", False),
        ("/x/health", False),
    ],
)
def test_paths_are_excluded_by_whole_segments_or_pattern(path: str, left_out: bool) -> None:
    excluded = path_filter(["/static/", "/health", re.compile(r"\.ico$")])
    assert excluded(path) is left_out


def test_without_exclusions_no_path_is_left_out_and_with_the_root_all_are() -> None:
    assert not path_filter(())("/")
    assert path_filter(["/"])("/any/path")
