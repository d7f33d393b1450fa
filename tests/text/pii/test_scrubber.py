"""What is found, what is left alone, and that neither takes long.

The numbers and addresses are published examples: payment providers' test cards, RFC 3696 and 5322, the ranges
that Ofcom, ARCEP and the North American Numbering Plan keep for fiction, Amazon's and jwt.io's sample keys.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_text.pii import KINDS, Kind, Scrubber

SCRUBBER = Scrubber()

CARDS = [
    *("4242424242424242", "4000056655665556", "5555555555554444", "2223003122003222", "5200828282828210"),
    *("5105105105105100", "378282246310005", "371449635398431", "6011111111111117", "6011000990139424"),
    *("3056930009020004", "36227206271667", "6555900000604105", "3566002020360505", "6200000000000005"),
    *("6205500000000000004", "30569309025904", "38520000023237", "4012888888881881", "4222222222222"),
    *("5019717010103742", "6331101999990016", "5610591081018250", "4111 1111 1111 1111"),
    *("4111.1111.1111.1111", "4111\n1111\n1111\n1111", "4111  1111  1111  1111", "3782.822463.10005"),
    *("4111 1111\n1111 1111", "4111\r\n1111\r\n1111\r\n1111"),
    *("4111-1111-1111-1111", "3782 822463 10005", "3056 930902 5904", "6205 5000 0000 0000 004"),
]
EMAILS = [
    *("joe@example.com", "first.last@iana.org", "user+mailbox@example.com", "_somename@example.com"),
    *("john.q.public@example.com", "jdoe@one.test", '"Abc@def"@example.com', '"Fred Bloggs"@example.com'),
    *("josé@exämple.es", "joe@sub.domain.example.co.uk", "JOE@EXAMPLE.COM", "o'neil@example.org"),
]
PHONES = [
    *("+1 202-555-0143", "+12025550143", "(202) 555-0143", "202-555-0143", "202.555.0143", "1-202-555-0143"),
    *("+44 20 7946 0958", "+442079460958", "020 7946 0958", "07700 900123", "+44 (0)20 7946 0958"),
    *("+91 98765 43210", "+919876543210", "98765 43210", "91-9876543210", "011-23456789", "098765 43210"),
    *("+33 1 99 00 12 34", "01 99 00 12 34", "01.99.00.12.34", "+49 30 23125 000", "030/23125000"),
    *("+1\u00a0202\u2011555\u20110143", "(02) 5550 1234", "0044 20 7946 0958"),
]
TOKENS = [
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5"
    "MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_" + "a1B2" * 9,
    "glpat-" + "x1-y2" * 4,
    "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "rzp_test_" + "1DP5mmOlF5G5ag",
    "xoxb-" + "123456789012-abcdefABCDEF1234",
    "AIza" + "SyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY",
    "sk-proj-" + "abcDEF123456ghiJKL789_-x",
    "lp_w_" + "a1B2c3D4e5F6" * 3 + "a1B2c3D_0Ab9Zz",
    "lp_p_" + "Z9y8" * 10 + "Z9y_aaaaaa",
    "123456789:AAE" + "x-_9" * 8,
    "MTk4NjIyNDgzNDcxOTI1MjQ4" + ".Cl2FMQ." + "ZnCjm1XVW7vRze4b7Cq4se7kKWs",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow+/=\n-----END RSA PRIVATE KEY-----",
]
HARMLESS = [
    # Ids, hashes and times.
    *("01a2b3c4-0000-7000-8000-00000000000a", "12345678-4111-4111-8111-111111111111"),
    *("1700000000", "1700000000000", "1700000000000000", "2026-01-02T03:04:05.123456+05:30"),
    *("2026-01-02 03:04:05", "01-02-2026 10:20:33", "02/01/2026 0304", "20260102T030405Z"),
    *("d41d8cd98f00b204e9800998ecf8427e", "0123456789abcdef", "order 9876543210", "ORD-2026-000123"),
    *("123-1234567-1234567", "978-3-16-148410-0", "SKU 4111111111111112", "4111111111111111a"),
    *("4111.1111.1111.1112", "4111\n1111\n1111\n1112", "411111.1111111111", "2024.1011.1213.1415"),
    # Files, repositories, and how much a number has changed.
    *("icon@2x.png", "/img/icon@3x.dark.webp", "sprite@home.svg", "git@github.com:org/repo.git"),
    *(
        "ssh://git@github.com/org/repo",
        "deploy@host.example.com:srv/app.git",
        "score +12345678",
        "+1 234 567",
    ),
    *("lp_w_51Obvtvf5Sy", "lp_events_per_minute", "2026-01-02 10:20:30\n2026-01-03 11:21:31", "12345678:AAA"),
    *("01a2b3c4-0000-7000-8000-00000000000a:0:17", "10.5\n20.25\n30", "error code=500 state=open", "session"),
    *("202-555\n0143", "555 0143\n202", "MNO" + "a1" * 16, "sha256:" + "0a1b" * 16),
    *("https://hooks.example.com/services/T0/B0/x1", "https://x.test/discord/webhooks", "/orders?page=2"),
    # Addresses of machines, versions, money, places.
    *("192.168.100.200", "10.0.0.1:8080", "2001:db8::8a2e:370:7334", "10.0.19045.3803", "v1.2.3-rc.4"),
    *(
        "node@1.2.3",
        "@types/node",
        "user@localhost",
        "INR 1,234,567.89",
        "+12345678.90",
        "0.4111111111111111",
    ),
    *("12.971598,77.594566", "+05:30", "1 234 567", "100 000 000"),
    *("/events/4111111111111111/tickets", "/users/202-555-0143/profile", "https://x.test/p/020-7946-0958"),
    *("https://x.test/a?utm_id=4111111111111111&utm_source=news&gclid=EAIaIQobChMI#top",),
    *(
        "the bearer of responsibilities",
        "basic understanding",
        "password: remember",
        "Secret: ingredient",
        "",
    ),
]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(("card", text) for text in CARDS),
        *(("email", text) for text in EMAILS),
        *(("phone", text) for text in PHONES),
        *(("token", text) for text in TOKENS),
    ],
)
def test_an_example_is_replaced_wherever_it_stands(kind: Kind, text: str) -> None:
    assert SCRUBBER.text(text) == f"[{kind}]"
    assert SCRUBBER.text(f"Is it {text}, or not?") == f"Is it [{kind}], or not?"
    assert SCRUBBER.text(f"{text}\n{text}") == f"[{kind}]\n[{kind}]"
    assert f"[{kind}]" not in Scrubber(KINDS - {kind}).text(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_none_of_these_stays(text: str) -> None:
    assert SCRUBBER.text(text) == text
    properties = {"order": text, "list": [text, {"x": text}], "$pathname": text, "$session_id": text}
    assert SCRUBBER.properties(properties) is properties


@pytest.mark.parametrize(
    ("address", "left"),
    [
        (
            "https://x.test/a?b=1&token=abc&utm_source=t%2Bx#y",
            "https://x.test/a?b=1&token=[token]&utm_source=t%2Bx#y",
        ),
        ("https://x.test/?email=joe%40example.com&p=%7e", "https://x.test/?email=[email]&p=%7e"),
        ("https://x.test/?q=call+joe%40example.com+now", "https://x.test/?q=call+[email]+now"),
        ("https://x.test/?q=call%20joe%40example.com%20now", "https://x.test/?q=call%20[email]%20now"),
        ("https://x.test/?phone=2025550143", "https://x.test/?phone=[phone]"),
        ("https://x.test/?n=+12025550143", "https://x.test/?n=[phone]"),
        ("https://x.test/?n=%2B12025550143", "https://x.test/?n=[phone]"),
        ("https://x.test/?c=4111111111111111", "https://x.test/?c=[card]"),
        (
            "https://x.test/cb#access_token=abc&token_type=bearer",
            "https://x.test/cb#access_token=[token]&token_type=bearer",
        ),
        ("https://joe:secret@x.test/a", "https://[token]@x.test/a"),
        ("https://x.test/users/joe%40example.com/posts", "https://x.test/users/[email]/posts"),
        (
            "https://x.test/?to=https%3A%2F%2Fy.test%2F%3Fapi_key%3Dabc%26a%3D1",
            "https://x.test/?to=https%3A%2F%2Fy.test%2F%3Fapi_key%3D[token]%26a%3D1",
        ),
        ("https://x.test/?utm_content=joe@example.com", "https://x.test/?utm_content=[email]"),
        ("/login?password=hunter2", "/login?password=[token]"),
        ("a=1;password=hunter2", "a=1;password=[token]"),
        ("https://x.test/cb?code=4/0AbC&state=xyz&b=1", "https://x.test/cb?code=[token]&state=[token]&b=1"),
        ("https://x.test/cb#state=xyz&b=1", "https://x.test/cb#state=[token]&b=1"),
        ("/a?sid=1f&SessionID=2f&session=3f&x=1", "/a?sid=[token]&SessionID=[token]&session=[token]&x=1"),
        ("/a?session_id=cs_1&PHPSESSID=2f", "/a?session_id=[token]&PHPSESSID=[token]"),
        (
            "PHPSESSID=1f; sid=2f;sessionid=3f; connect.sid=4",
            "PHPSESSID=[token] sid=[token] connect.sid=[token]",
        ),
        ("a=1;sid=2f", "a=1;sid=[token]"),
        ("/cb?a=1&amp;code=x", "/cb?a=1&amp;code=[token]"),
        ("/login?otp=123456&pin=4711&pin=map", "/login?otp=[token]&pin=[token]&pin=map"),
        ("https://hooks.slack.com/services/T00/B00/Xx9?a=1", "https://hooks.slack.com/services/[token]?a=1"),
        ("https://discord.com/api/webhooks/1234/a-B_c", "https://discord.com/api/webhooks/[token]"),
        ("https://discordapp.com/api/v10/webhooks/1/a", "https://discordapp.com/api/v10/webhooks/[token]"),
        (
            "https://api.telegram.org/bot123456789:AAE" + "x-_9" * 8 + "/getMe",
            "https://api.telegram.org/bot[token]/getMe",
        ),
        (
            "https://x.test/?to=https%3A%2F%2Fhooks.slack.com%2Fservices%2FT0%2FB0%2FX1",
            "https://x.test/?to=https%3A%2F%2Fhooks.slack.com%2Fservices%2F[token]",
        ),
        ("?clientSecret=x&newPassword=y", "?clientSecret=[token]&newPassword=[token]"),
    ],
)
def test_an_address_loses_nothing_but_these(address: str, left: str) -> None:
    assert SCRUBBER.text(address) == left
    assert SCRUBBER.properties({"$current_url": address}) == {"$current_url": left}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Authorization: Bearer 0123456789abcdef0123", "Authorization: Bearer [token]"),
        ("X-Api-Key: 9f8e7d6c, then", "X-Api-Key: [token], then"),
        ('{"password": "hunter2", "user": "joe"}', '{"password": "[token]", "user": "joe"}'),
        (r"{\"access_token\":\"abc\"}", r"{\"access_token\":\"[token]\"}"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEow and it ends", "[token]"),
        ("call me on 9876543210 after 6", "call me on [phone] after 6"),
        ("card 4111 1111 1111 1111 12/28 123", "card [card] 12/28 123"),
        ("020 7946 0958 / 07700 900123", "[phone] / [phone]"),
        # What looks like a file, a repository or a change, and is somebody's.
        ("joe@example.com.png", "[email]"),
        ("joe@example.com/inbox", "[email]/inbox"),
        ("joe@example.com:hello", "[email]:hello"),
        ("git@example.com", "[email]"),
        ("+7 495 123-45-67, +12025550143 12, +45 21 23 45 67", "[phone], [phone] 12, [phone]"),
    ],
)
def test_log_lines_and_prose(text: str, left: str) -> None:
    assert SCRUBBER.text(text) == left


SECRETS = ("credential", "db_pass", "smtpPass")


@pytest.mark.parametrize(
    ("properties", "left"),
    [
        ({"phone": "9876543210"}, {"phone": "[phone]"}),
        ({"customerPhone": 9876543210}, {"customerPhone": "[phone]"}),
        ({"contact_number": "080 1234 5678"}, {"contact_number": "[phone]"}),
        ({"password": "x", "is_secret": True}, {"password": "[token]", "is_secret": True}),
        ({"access_token": 123456789, "token": 1234.5}, {"access_token": "[token]", "token": "[token]"}),
        ({"access_token": -123456789, "secret": -100.0}, {"access_token": "[token]", "secret": "[token]"}),
        ({"credentials": {"user": "a", "key": "b"}}, {"credentials": {"user": "[token]", "key": "[token]"}}),
        ({"credential": "x", "db_pass": "x", "smtpPass": "x"}, dict.fromkeys(SECRETS, "[token]")),
        ({"basic_auth": "x:y"}, {"basic_auth": "[token]"}),
        ({"password": {"deep": "z", "a": [1234]}}, {"password": {"deep": "[token]", "a": ["[token]"]}}),
        (
            {"tokens": ["abc"], "api_keys": {"a": "b"}, "secrets": "x y"},
            {"tokens": ["[token]"], "api_keys": {"a": "[token]"}, "secrets": "[token]"},
        ),
        ({"otp": "123456", "otp_code": 123456}, {"otp": "[token]", "otp_code": "[token]"}),
        ({"pin": "4711", "cardPin": 4711}, {"pin": "[token]", "cardPin": "[token]"}),
        ({"PHPSESSID": "1f", "JSESSIONID": "2f"}, {"PHPSESSID": "[token]", "JSESSIONID": "[token]"}),
        ({"note": "key lp_w_" + "a" * 43 + "_" + "b" * 6}, {"note": "key [token]"}),
        ({"card": 4111111111111111}, {"card": "[card]"}),
        ({"cvv": "123"}, {"cvv": "[card]"}),
        ({"email": "joe@localhost"}, {"email": "[email]"}),
        ({"a": {"b": [1, {"c": "joe@example.com"}]}}, {"a": {"b": [1, {"c": "[email]"}]}}),
        (
            {"$set": {"email": "joe@example.com", "plan": "pro"}},
            {"$set": {"email": "[email]", "plan": "pro"}},
        ),
        ({"$set_once": {"phone": "9876543210"}}, {"$set_once": {"phone": "[phone]"}}),
        (
            {"$exception_message": "joe@example.com, 4111111111111111"},
            {"$exception_message": "[email], [card]"},
        ),
    ],
)
def test_names_say_what_digits_do_not(properties: dict[str, Any], left: dict[str, Any]) -> None:
    before = json.dumps(properties)
    assert SCRUBBER.properties(properties) == left
    assert json.dumps(properties) == before


PROSE = "my card 4111 1111 1111 1111, call +49 151 23456789"
OF_PROSE = [
    *(
        "value",
        "field_value",
        "best_time",
        "delivery_date",
        "total",
        "notes_at",
        "message_id",
        "event_version",
    ),
    *(
        "utm_content",
        "utm_term",
        "timeout",
        "comment",
        "$survey_response",
        "$survey_response_018f",
        "$ai_input",
    ),
    *(
        "$message",
        "$feedback",
        "$title",
        "$screen_name",
        "$exception_message",
        "$el_text",
        "$set",
        "$device_name",
    ),
]


@pytest.mark.parametrize("name", OF_PROSE)
def test_what_people_write_is_looked_through_whatever_its_name_promises(name: str) -> None:
    left = "my card [card], call [phone]"
    assert SCRUBBER.properties({name: PROSE, "list": {name: [PROSE]}}) == {name: left, "list": {name: [left]}}


def test_exceptions_and_fields_of_forms_are_looked_through() -> None:
    exception = {"type": "ValueError", "value": PROSE, "stacktrace": {"frames": [{"lineno": 4111}]}}
    assert SCRUBBER.properties({"$exception_list": [exception], "$exception_values": [PROSE]}) == {
        "$exception_list": [exception | {"value": "my card [card], call [phone]"}],
        "$exception_values": ["my card [card], call [phone]"],
    }
    for value, left in (("4111111111111111", "[card]"), ("+4915123456789", "[phone]")):
        for name in ("value", "$survey_response", "$screen_name", "$email_or_phone"):
            assert SCRUBBER.properties({name: value}) == {name: left}
    assert SCRUBBER.properties({"best_time": "+4915123456789"}) == {"best_time": "[phone]"}
    assert SCRUBBER.text("/f?value=4111111111111111&utm_id=4111111111111111") == (
        "/f?value=[card]&utm_id=4111111111111111"
    )


@pytest.mark.parametrize(
    "properties",
    [
        # Who the event is about, whatever form that has.
        {
            "distinct_id": "joe@example.com",
            "alias": "joe@example.com",
            "$anon_distinct_id": "joe@example.com",
        },
        {
            "$groups": {"company": "joe@example.com"},
            "$group_key": "joe@example.com",
            "$group_0": "9876543210",
        },
        {"$raw_user_agent": "bot (admin@example.com)", "$ip": "10.0.0.1"},
        # Numbers that are neither, whatever their digits: by their names.
        {"order_id": 4111111111111111, "event_ids": ["4111111111111111"], "created_at": "1700000000"},
        {"amount": 4111111111111111, "$viewport_height": 4111111111111111},
        {"phone_model": "iPhone 12", "mobile": True, "hotel": "0123456789", "phone": "n/a", "cvv": "match"},
        {"code": "SUMMER25", "country_code": "IN", "coupon": {"code": 12345}, "state": "Karnataka"},
        {
            "session_id": "a1b2",
            "sessionId": "a1b2",
            "$session_id": "a1b2",
            "session": "morning",
            "sid": "s-1",
        },
        {
            "total_tokens": 1500,
            "tokens": {"input": 1200, "output": "300"},
            "max_tokens": "512",
            "api_keys": 3,
        },
        {
            "pin": "post-17",
            "pin_code": "560001",
            "pincode": 560001,
            "pinned": True,
            "token": None,
            "otp": True,
        },
        {
            "password": {"set": True, "email": "[email]"},
            "tokens": ["[token]"],
            "secret": 7,
            "secret_level": 500,
        },
        {"auth": True, "pass": "gold", "boarding_pass": "7A", "season_pass": "x", "oauth": "google"},
        {"pass": 120, "auth": {"method": "google"}, "basic_auth": True, "has_credentials": True},
        {"token": -99, "balance": -123456789, "credentials": 120, "credential_id": "c-7"},
        {"score": 4111111111111112, "n": 1e300, "x": 0.5, "y": -4111111111111111, "z": None},
    ],
)
def test_properties_that_stay(properties: dict[str, Any]) -> None:
    assert SCRUBBER.properties(properties) is properties


def test_named_properties_are_left_alone_at_any_depth() -> None:
    scrubber = Scrubber(except_properties=frozenset({"email", "q"}))
    properties = {"email": "joe@example.com", "$set": {"email": "joe@example.com", "mail": "joe@example.com"}}
    kept = scrubber.properties(properties)
    assert kept == {"email": "joe@example.com", "$set": {"email": "joe@example.com", "mail": "[email]"}}


def test_only_what_is_asked_for() -> None:
    properties = {"a": "joe@example.com", "b": "+12025550143", "c": "4111111111111111", "password": "x"}
    assert Scrubber(frozenset()).properties(properties) is properties
    for kind, name in (("email", "a"), ("phone", "b"), ("card", "c"), ("token", "password")):
        only: Kind = kind  # type: ignore[assignment] # a literal of the tuple above
        assert Scrubber(frozenset({only})).properties(properties) == properties | {name: f"[{kind}]"}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(CARDS + EMAILS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=4))
def test_anything_can_be_given_and_what_is_scrubbed_stays_as_it_is(properties: dict[str, Any]) -> None:
    once = SCRUBBER.properties(properties)
    assert SCRUBBER.properties(once) is once
    assert set(once) == set(properties)


@given(st.text(), st.sampled_from(CARDS + EMAILS + TOKENS), st.text())
def test_blanks_around_it_are_enough(before: str, found: str, after: str) -> None:
    assert found not in SCRUBBER.text(f"{before}\n{found}\n{after}")


HOSTILE = [
    *("1\n", "4111\n", "4111.", "4111  ", ":AA", "1:AA", "hooks.slack.com/services/", "M", "lp_w_", "?sid="),
    *("a", "1", "1 ", "12 ", "0123 ", "a@", "@", "a=", "a=b&", "%40", "%25", '"', "'", "\\", "eyJ", "eyJ."),
    *("bearer ", "token ", "+1", "(1", "://", "://a:", "a.b", "a@a.a", "call 9876543210 ", "4111-", "4111 "),
    *("a=%3D", "a=b%3D", "'a':", "a':'a", "1-202-555-", "01 ", "password:", "-", ".", "a-", "é", "\u00a0"),
    *("-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "https://a=", "xox", "1/", "(0", "a:b@", '"a"@'),
]


@pytest.mark.parametrize("part", HOSTILE)
def test_hostile_text_takes_time_in_proportion_to_its_length(part: str) -> None:
    """32 KB of anything end; a quadratic search of it would take minutes."""
    text = part * (32_768 // len(part))
    for hostile in (text, text + "!", "x" + text, f"?q={text}"):
        SCRUBBER.text(hostile)
        SCRUBBER.properties({"a": hostile})


def test_a_number_on_the_next_line_is_another() -> None:
    assert SCRUBBER.text("+12025550143\n12 of 20\n30") == "[phone]\n12 of 20\n30"
    assert SCRUBBER.text("98765 43210\n98765 43210") == "[phone]\n[phone]"
    assert SCRUBBER.text("x7\n4111 1111 1111 1111\n7x") == "x7\n[card]\n7x"


def test_only_kinds_that_are_asked_for_count_under_names_of_secrets() -> None:
    given = {"password": {"deep": "z"}, "token": 12345, "tokens": ["abc"], "pin": "4711"}
    assert Scrubber(KINDS - {"token"}).properties(given) is given
    assert (
        Scrubber(except_properties=frozenset({"deep", "token", "tokens", "pin"})).properties(given) is given
    )


def test_depth_is_no_danger() -> None:
    nested: Mapping[str, Any] = {"a": "joe@example.com"}
    for _ in range(900):
        nested = {"a": [nested]}
    assert SCRUBBER.properties(nested) is nested
