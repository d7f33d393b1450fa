"""What analytics clients send of themselves is no personal data: none of it changes, at any depth.

The properties are those that posthog-js, posthog-python and posthog-ios add and Segment documents, with
values as they come: ids of advertisers, hashes, versions, coordinates, money, times, and user agents of real
browsers.
"""

from __future__ import annotations

from typing import Any

import pytest

from loopin_text.pii import Scrubber
from tests.producers.simulator.worlds import live_through, parameters

SCRUBBER = Scrubber()

AGENTS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 "
    "Safari/537.36 Edg/130.0.2849.80",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Mobile/21G93 Instagram 350.0.0.31.84 (iPhone14,5; iOS 17_6_1; scale=3.00; 1170x2532; 643418929)",
    "Mozilla/5.0 (Linux; Android 13; SM-A525F Build/TP1A.220624.014; wv) AppleWebKit/537.36 "
    "(KHTML, like Gecko) Version/4.0 Chrome/128.0.6613.127 Mobile Safari/537.36 "
    "[FB_IAB/FB4A;FBAV/480.0.0.54.88;]",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 16_6 like Mac OS X) AppleWebKit/605.1.15 Mobile/20G75 "
    "[FBAN/FBIOS;FBAV/437.0.0.31.115;FBBV/532121021;FBDV/iPhone12,1;FBMD/iPhone;FBSN/iOS;FBSV/16.6;FBSS/2;"
    "FBID/phone;FBLC/en_GB;FBOP/5;FBRV/534284838]",
    "okhttp/4.12.0",
    "Dalvik/2.1.0 (Linux; U; Android 9; SM-G950F Build/PPR1.180610.011)",
]
WEB = {
    "$os": "Mac OS X",
    "$os_version": "10.15.7",
    "$browser": "Chrome",
    "$browser_version": 130,
    "$device_type": "Desktop",
    "$timezone": "Asia/Kolkata",
    "$timezone_offset": -330,
    "$current_url": "https://shop.example/events/4111111111111111/tickets?utm_id=120210987654320123&page=2#seats",
    "$host": "shop.example:8080",
    "$pathname": "/orders/202-555-0143/items",
    "$screen_height": 1117,
    "$viewport_width": 1728,
    "$lib": "web",
    "$lib_version": "1.187.2",
    "$insert_id": "7xk3v0qz9m2w1abc",
    "$time": 1732867845.123,
    "distinct_id": "0192f3a4-5b6c-7d8e-9f01-234567890123",
    "$device_id": "0192f3a4-5b6c-7d8e-9f01-234567890123",
    "$session_id": "01936e2f-4111-7111-8111-111111111111",
    "$window_id": "01936e2f-0b1c-7e1d-9a2b-123456789012",
    "$pageview_id": "01936e2f-1111-7222-8333-444444444444",
    "$referrer": "https://www.google.com/",
    "$referring_domain": "www.google.com",
    "$initial_person_info": {"r": "$direct", "u": "https://shop.example/?gclid=EAIaIQobChMI5551234567"},
    "$config_defaults": "2026-01-30",
    "$feature_flag_payload": '{"price": 1234567.89}',
    "$feature/new-checkout": "variant-b",
    "$active_feature_flags": ["new-checkout", "beta-2026"],
    "$feature_flag_request_id": "5f0c8f6e-1a5b-4b1e-8e0e-4242424242aa",
    "$web_vitals_LCP_value": 1820.599999964237,
    "$prev_pageview_duration": 12.345,
    "$performance_raw": "1732867845123,1732867846000",
    "$sdk_debug_replay_internal_buffer_size": 4111111111111,
    "$elements_chain": 'a.nav:attr__href="/p/4012"nth-child="2"text="3 of 20";div:nth-child="9"',
    "$ai_input_tokens": 1500,
    "$ai_total_cost_usd": 0.000125,
    "$ai_trace_id": "trace-4111111111111111",
    "$exception_fingerprint": "6c7d8e9f0123456789abcdef0123456789abcdef0123456789abcdef01234567",
    "$exception_list": [
        {
            "type": "TypeError",
            "value": "Cannot read properties of undefined (reading '0') at 2026-11-29 08:15:03.123",
            "mechanism": {"handled": False, "exception_id": 0},
            "stacktrace": {"frames": [{"filename": "https://shop.example/app.4f3a2b1c.js", "lineno": 4111}]},
        }
    ],
    "utm_campaign": "120210987654320123",
    "utm_content": "diwali_2026-11-29",
    "gclid": "Cj0KCQiA4111111111111111EALw_wcB",
    "fbclid": "IwAR0_4111111111111111-2b",
    "gad_source": "1",
}
SERVER = {
    "$python_runtime": "CPython",
    "$python_version": "3.12.7",
    "$os": "Linux",
    "$os_distro": "Ubuntu 22.04.4 LTS",
    "$os_version": "5.15.0-1071-aws",
    "$lib": "posthog-python",
    "$lib_version": "7.1.0",
    "$geoip_disable": True,
    "$is_server": True,
    "$app_build": "20261129.4",
    "$app_version": "4.12.0 (41201234)",
    "$device_model": "iPhone14,5",
    "$device_name": "Pixel 8 Pro 128 GB",
    "$network_carrier": "Airtel 5G",
    "$screen_name": "Order 17 of 120",
    "$title": "Tickets from 1,299.00 INR, 2026-12-01 19:30",
}
SEGMENT = {
    "messageId": "ajs-next-1732867845123-4f3a2b1c-4111",
    "timestamp": "2026-11-29T08:15:03.123Z",
    "context": {
        "app": {
            "name": "InitechGlobal",
            "version": "545",
            "build": "3.0.1.545",
            "namespace": "com.production",
        },
        "campaign": {
            "name": "TPS Innovation",
            "source": "Newsletter",
            "medium": "email",
            "term": "tps reports",
        },
        "device": {
            "id": "B5372DB0-C21E-11E4-8DFC-AA07A5B093DB",
            "advertisingId": "7A3CBEA0-BDF5-11E4-8DFC-AA07A5B093DB",
            "token": None,
        },
        "ip": "8.8.8.8",
        "library": {"name": "analytics.js", "version": "2.11.1"},
        "location": {"city": "San Francisco", "latitude": 40.2964197, "longitude": -76.9411617, "speed": 0},
        "network": {"bluetooth": False, "carrier": "T-Mobile US", "cellular": True, "wifi": False},
        "page": {
            "path": "/academy/",
            "referrer": "",
            "title": "Analytics Academy",
            "url": "https://segment.com/",
        },
        "screen": {"density": 2, "height": 568, "width": 320},
        "timezone": "Europe/Amsterdam",
    },
}
COMMERCE = {
    "order_id": "4111111111111111",
    "checkoutId": "4111-1111-1111-1111",
    "payment_ids": [4111111111111111, "pay_4111111111111111"],
    "invoice": "INV-2026-000123",
    "sku": "SKU 45790-32",
    "amount": 4111111111111111,
    "total": "4000000000000000006",
    "price": "1,234,567.89",
    "revenue": -12345678.9,
    "value": 4111111111111111,
    "created_at": "1700000000",
    "updated_at": "Sun Nov 29 2026 08:15:03 GMT+0530 (India Standard Time)",
    "starts": "29/11/2026 08:15 - 30/11/2026 01:00",
    "event_time": 1700000000000000,
    "lat": 12.9715987,
    "position": "12.9715987, 77.5945627",
    "sha256": "0a1b2c3d4e5f60718293a4b5c6d7e8f900112233445566778899aabbccddeeff",
    "etag": '"4111111111111111-5f"',
    "version": "10.0.19045.3803",
    "addresses": ["10.0.0.1:8080", "2001:db8::8a2e:370:7334", "fe80::1%eth0"],
    "image": "https://cdn.example/icon@2x.png",
    "repository": "git@github.com:org/repo.git",
    "change": "score +12345678",
}


@pytest.mark.parametrize(
    "properties", [WEB, SERVER, SEGMENT, COMMERCE], ids=["web", "server", "segment", "shop"]
)
def test_none_of_it_changes(properties: dict[str, Any]) -> None:
    assert SCRUBBER.properties(properties) == properties
    assert SCRUBBER.properties({"$set_once": properties}) == {"$set_once": properties}


@pytest.mark.parametrize("agent", AGENTS)
def test_user_agents_stay_under_any_name(agent: str) -> None:
    for name in ("$raw_user_agent", "userAgent", "$initial_user_agent", "$browser_agent", "agent"):
        assert SCRUBBER.properties({name: agent}) == {name: agent}


def test_nothing_that_the_simulated_users_send_changes() -> None:
    made = live_through(parameters(users=40, days=5, seed=11))
    assert len(made.events) > 1_000
    for event in made.events:
        assert SCRUBBER.properties(event["properties"]) is event["properties"]
