from __future__ import annotations

from ipaddress import ip_network

import pytest

from loopin_api.ingest.client_side import Connection, client_address

INSIDE = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        # Only a trusted proxy is believed, and only as far as it goes.
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.0.0.2", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.2", ["6.6.6.6, 198.51.100.1, 10.0.0.3"], "198.51.100.1"),
        ("10.0.0.2", ["6.6.6.6", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.2", [], "10.0.0.2"),
        ("10.0.0.2", ["rubbish"], "10.0.0.2"),
        ("fd00::1", ["2001:db8::5"], "2001:db8::5"),
        ("::ffff:203.0.113.9", [], "203.0.113.9"),
        ("unix socket", ["198.51.100.1"], None),
        (None, [], None),
    ],
)
def test_the_address_is_the_last_one_that_no_trusted_proxy_has(
    peer: str | None, forwarded: list[str], found: str | None
) -> None:
    assert client_address(peer, forwarded, INSIDE) == found


BROWSER = Connection("203.0.113.9", "Mozilla/5.0", True)
SERVER = Connection("203.0.113.9", "python-requests/2", False)
KNOWN = {"$ip": "203.0.113.9", "$raw_user_agent": "Mozilla/5.0"}


def test_a_persons_device_is_known_by_its_connection() -> None:
    assert BROWSER.properties(None, {}) == KNOWN
    assert SERVER.properties("posthog-ios", {})["$ip"] == "203.0.113.9"
    assert SERVER.properties("Analytics-Android", {})["$ip"] == "203.0.113.9"


@pytest.mark.parametrize("library", [None, "posthog-python", "posthog-node", "analytics-python", 7])
def test_a_servers_own_address_is_nobodys(library: object) -> None:
    assert SERVER.properties(library, {}) == {}


@pytest.mark.parametrize(
    "library", ["posthog-python", "posthog-node", "analytics-python", "analytics-node", "Analytics.NET"]
)
def test_a_servers_library_is_one_whatever_user_agent_it_sends(library: str) -> None:
    assert BROWSER.properties(library, {}) == {}


def test_a_server_that_says_so_is_one_whatever_it_looks_like() -> None:
    assert BROWSER.properties("posthog-node", {"$is_server": True}) == {}


@pytest.mark.parametrize("said", ["198.51.100.1", None])
def test_what_the_client_says_stays(said: str | None) -> None:
    assert BROWSER.properties("web", {"$ip": said}) == {"$raw_user_agent": "Mozilla/5.0"}
