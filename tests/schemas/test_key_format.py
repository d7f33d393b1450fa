"""Keys are found by their form, and told from mistyped ones without being looked up."""

from __future__ import annotations

import binascii
import re
from string import ascii_letters, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.key_format import KEY_PATTERN, KeyKind, hash_key, mistyped, new_key, well_formed

KEY = new_key("write")
CHARACTERS = digits + ascii_letters + "_-. "


def number(text: str) -> int:
    """The number that base 62 text stands for, digits before capitals before small letters."""
    order = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    return sum(order.index(character) * 62**place for place, character in enumerate(reversed(text)))


@pytest.mark.parametrize(("kind", "prefix"), [("write", "lp_w_"), ("personal", "lp_p_")])
def test_a_key_tells_its_kind_and_carries_a_checksum(kind: KeyKind, prefix: str) -> None:
    keys = {new_key(kind) for _ in range(200)}

    assert len(keys) == 200
    for key in keys:
        assert key.startswith(prefix)
        assert re.fullmatch(KEY_PATTERN, key)
        assert number(key[-6:]) == binascii.crc32(key[:-7].encode())
        assert number(key[5:-7]) < 2**256
        assert well_formed(key)
        assert not mistyped(key)


def test_the_random_part_uses_all_its_bits() -> None:
    drawn = [number(new_key("write")[5:-7]) for _ in range(400)]

    for bit in range(256):
        # Of 400 fair draws fewer than 100 ones, or more than 300, happen once in 10^23.
        assert 100 < sum(value >> bit & 1 for value in drawn) < 300


@given(st.integers(5, len(KEY) - 1), st.sampled_from(CHARACTERS))
def test_one_wrong_character_is_noticed(at: int, other: str) -> None:
    wrong = KEY[:at] + other + KEY[at + 1 :]
    assert mistyped(wrong) == (wrong != KEY)


@given(st.integers(5, len(KEY) - 2))
def test_two_characters_that_changed_places_are_noticed(at: int) -> None:
    wrong = KEY[:at] + KEY[at + 1] + KEY[at] + KEY[at + 2 :]
    assert mistyped(wrong) == (wrong != KEY)


@given(st.integers(5, len(KEY) - 1))
def test_a_key_that_was_cut_is_noticed(length: int) -> None:
    assert mistyped(KEY[:length])


def test_the_kind_is_under_the_checksum() -> None:
    assert mistyped(KEY.replace("lp_w_", "lp_p_"))


@given(st.text())
def test_other_texts_are_neither_keys_nor_mistyped_ones(text: str) -> None:
    assert not well_formed(text)
    assert mistyped(text) == text.startswith(("lp_w_", "lp_p_"))


def test_the_hash_is_sha256() -> None:
    # FIPS 180-2, appendix B.1.
    assert hash_key("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert hash_key("\udcff") != hash_key("\udcfe")
