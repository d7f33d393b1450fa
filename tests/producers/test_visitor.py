from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_producers.visitor import (
    Visitor,
    anonymous_id,
    daily_id,
    keyed_hash,
    session_hash,
    valid_id,
    visitor,
)
from loopin_schemas.validation import check_distinct_id

COOKIE = "019ae1c8-3f00-7abc-8def-0123456789ab"
NOON = 1_767_312_000.0 + 43_200


def test_our_headers_come_before_posthogs() -> None:
    headers = {
        "x-loopin-distinct-id": "ours",
        "x-posthog-distinct-id": "theirs",
        "x-posthog-session-id": "session",
    }
    assert visitor(headers.get, COOKIE) == Visitor("ours", COOKIE, "session")
    assert visitor(lambda name: None, None) == Visitor(None, None, None)


@pytest.mark.parametrize("text", ["", None, "null", "[object Object]", "x" * 201, "a\0b", " "])
def test_what_cannot_be_an_id_is_left_out(text: str | None) -> None:
    headers = {"x-loopin-distinct-id": text, "x-posthog-distinct-id": "theirs"}
    assert visitor(headers.get, text) == Visitor("theirs", None, None)
    assert valid_id(text) is None


@pytest.mark.parametrize(
    "cookie",
    [
        "17",
        "ann@mail.example",
        "user-17",
        COOKIE.upper(),
        COOKIE.replace("-7abc", "-4abc"),
        COOKIE.replace("-8def", "-cdef"),
        f"{COOKIE}\n",
        f"{COOKIE}0",
        COOKIE.replace("-", ""),
    ],
)
def test_a_cookie_that_the_browser_script_did_not_make_is_left_out(cookie: str) -> None:
    assert visitor(lambda name: None, cookie).cookie is None


def test_ids_are_what_the_browser_script_makes() -> None:
    """Its template, with any digits: if the script changes, what is accepted has to."""
    script = Path(__file__).parents[2] / "api" / "loopin_api" / "static" / "loopin.src.js"
    assert re.findall(r"`-\$\{time\.slice\(8\)\}(-[^`]+)`", script.read_text()) == ["-7xxx-yxxx-xxxxxxxxxxxx"]
    for digit in "89ab":
        assert anonymous_id(f"019ae1c8-3f00-7fff-{digit}000-123456789abc") is not None


@given(st.text(min_size=1))
def test_hashes_are_ids_and_tell_keys_apart(key: str) -> None:
    try:
        found = session_hash(key)
    except UnicodeEncodeError:
        return
    check_distinct_id(found)
    assert len(found) == 32
    assert found != session_hash(f"{key}x")


def test_a_session_hash_is_no_plain_hash_of_its_key() -> None:
    """So that a table made for another purpose does not fit."""
    assert session_hash("key") != hashlib.blake2b(b"key", digest_size=16).hexdigest()


def test_an_id_lasts_a_utc_day_for_an_address_and_browser() -> None:
    first = daily_id(b"secret", NOON, "192.0.2.1", "Firefox")
    assert first == daily_id(b"secret", NOON + 43_199, "192.0.2.1", "Firefox")
    others = {
        daily_id(b"secret", NOON + 43_200, "192.0.2.1", "Firefox"),
        daily_id(b"secret", NOON, "192.0.2.2", "Firefox"),
        daily_id(b"secret", NOON, "192.0.2.1", "Opera"),
        daily_id(b"other", NOON, "192.0.2.1", "Firefox"),
        daily_id(b"secret", NOON, None, None),
    }
    assert len(others) == 5
    assert first not in others
    check_distinct_id(first)


def test_a_secret_may_have_any_length_and_a_text_any_characters() -> None:
    assert keyed_hash(b"x" * 500, "\ud800", b"a") != keyed_hash(b"", "\ud800", b"a")
