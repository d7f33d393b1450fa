from __future__ import annotations

import pytest

from loopin_api.ids import answered_id


@pytest.mark.parametrize(
    ("text", "answered"),
    [
        ("123", 123),
        ("0", 0),
        ("9007199254740991", 2**53 - 1),
        ("9007199254740992", "9007199254740992"),
        ("99999999999999999999", "99999999999999999999"),
        ("007", "007"),
        ("-1", "-1"),
        ("1.0", "1.0"),
        ("१२३", "१२३"),
        ("12\n", "12\n"),
        ("c-1", "c-1"),
        ("", ""),
    ],
)
def test_digits_are_answered_as_a_number_that_says_the_same(text: str, answered: int | str) -> None:
    assert answered_id(text) == answered
    assert type(answered_id(text)) is type(answered)
