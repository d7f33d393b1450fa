"""Which of our codes stands for what a ClickHouse client raises."""

from __future__ import annotations

import errno

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError, StreamFailureError

from loopin_sinks.store import StoreError
from loopin_sinks.store.errors import translate


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (DatabaseError("Code: 159.", code=159), "query_timeout"),
        (DatabaseError("Code: 241.", code=241), "query_failed"),
        (DatabaseError("Code: 243.", code=243), "disk_full"),
        (DatabaseError("Code: 75. Cannot write: No space left on device", code=75), "disk_full"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
        (DatabaseError("Code: 516.", code=516), "store_unreachable"),
        (OperationalError("Network Error: refused"), "store_unreachable"),
        (StreamFailureError("Stream failed during read"), "query_failed"),
        (StreamFailureError("Code: 159.", code=159), "query_timeout"),
        (ConnectionResetError(), "store_unreachable"),
        (TimeoutError(), "query_timeout"),
        (DatabaseError("Code: 62. near 'secret'", code=62, name="SYNTAX_ERROR"), "query_failed"),
        (ValueError("secret"), "query_failed"),
    ],
)
def test_every_failure_has_a_code_and_one_sentence(raised: Exception, code: str) -> None:
    error = translate(raised)
    assert error.code == code
    assert str(error).endswith(".")
    assert "secret" not in str(error)


def test_our_own_error_stays_itself() -> None:
    error = StoreError("store_busy", "Busy.")
    assert translate(error) is error
