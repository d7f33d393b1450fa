"""The one error the store raises, with a sentence that may be shown to any caller."""

from __future__ import annotations

from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError, StreamFailureError

STORE_UNREACHABLE = "store_unreachable"
QUERY_TIMEOUT = "query_timeout"
QUERY_FAILED = "query_failed"
STORE_BUSY = "store_busy"
DISK_FULL = "disk_full"


class StoreError(Exception):
    """What went wrong in the store; ``str()`` is one sentence without any of the query's text or data.

    Attributes:
        code: ``store_unreachable``, ``query_timeout``, ``query_failed``, ``store_busy`` (the folder belongs
            to another process) or ``disk_full``.
        engine_code: ClickHouse's own error number where it gave one; its full text is in ``__cause__``.
    """

    def __init__(self, code: str, message: str, engine_code: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.engine_code = engine_code

    def __reduce__(self) -> tuple[type[StoreError], tuple[str, str, int | None]]:
        return (StoreError, (self.code, str(self), self.engine_code))


_TIMEOUT = (QUERY_TIMEOUT, "The query took longer than it may; ask for a shorter range or fewer dimensions.")
_TOO_LARGE = (QUERY_FAILED, "The answer has more rows than one query may return; narrow it or export it.")
_MEMORY = (QUERY_FAILED, "The query needs more memory than the store may use; ask for a shorter range.")
_DISK = (DISK_FULL, "The store's disk is full; free some space or shorten the retention.")
_MISSING = (QUERY_FAILED, "The store lacks a table or column; run `loopin migrate`.")
_LOGIN = (
    STORE_UNREACHABLE,
    "ClickHouse refused the login; check LOOPIN_CLICKHOUSE_USER and LOOPIN_CLICKHOUSE_PASSWORD.",
)
_UNREACHABLE = (
    STORE_UNREACHABLE,
    "ClickHouse does not answer; check that it runs and LOOPIN_CLICKHOUSE_URL.",
)
_BROKEN_OFF = (QUERY_FAILED, "ClickHouse broke off its answer; try again, or ask for less.")

# Numbers from ClickHouse's src/Common/ErrorCodes.cpp.
_BY_ENGINE_CODE = {
    159: _TIMEOUT,  # TIMEOUT_EXCEEDED
    160: _TIMEOUT,  # TOO_SLOW
    209: _TIMEOUT,  # SOCKET_TIMEOUT
    158: _TOO_LARGE,  # TOO_MANY_ROWS
    396: _TOO_LARGE,  # TOO_MANY_ROWS_OR_BYTES
    241: _MEMORY,  # MEMORY_LIMIT_EXCEEDED
    243: _DISK,  # NOT_ENOUGH_SPACE
    16: _MISSING,  # NO_SUCH_COLUMN_IN_TABLE
    47: _MISSING,  # UNKNOWN_IDENTIFIER
    60: _MISSING,  # UNKNOWN_TABLE
    81: (QUERY_FAILED, "The database does not exist; create it or set LOOPIN_CLICKHOUSE_DATABASE."),
    164: (QUERY_FAILED, "This query would change the store; only `command` and `insert` may."),  # READONLY
    192: _LOGIN,  # UNKNOWN_USER
    193: _LOGIN,  # WRONG_PASSWORD
    194: _LOGIN,  # REQUIRED_PASSWORD
    497: _LOGIN,  # ACCESS_DENIED
    516: _LOGIN,  # AUTHENTICATION_FAILED
    202: (STORE_UNREACHABLE, "ClickHouse has too many queries at once; try again in a moment."),
    210: _UNREACHABLE,  # NETWORK_ERROR
    394: (QUERY_FAILED, "The query was cancelled."),  # QUERY_WAS_CANCELLED
    456: (QUERY_FAILED, "A parameter of the query is missing."),  # UNKNOWN_QUERY_PARAMETER
    457: (QUERY_FAILED, "A parameter of the query does not have the type it is declared with."),
}


def translate(error: Exception) -> StoreError:
    """The ``StoreError`` for what a ClickHouse client raised."""
    if isinstance(error, StoreError):
        return error
    engine_code = getattr(error, "code", None) if isinstance(error, ClickHouseError) else None
    if "No space left on device" in str(error):
        return StoreError(*_DISK, engine_code)
    if isinstance(error, TimeoutError):
        return StoreError(*_TIMEOUT)
    if engine_code in _BY_ENGINE_CODE:
        return StoreError(*_BY_ENGINE_CODE[engine_code], engine_code)
    # Why it failed is lost when the connection ends before the client has read the end of the answer.
    if engine_code is None and isinstance(error, StreamFailureError):
        return StoreError(*_BROKEN_OFF)
    if engine_code is None and isinstance(error, ConnectionError | OperationalError):
        return unreachable()
    name = getattr(error, "name", None) or type(error).__name__
    number = "" if engine_code is None else f", ClickHouse error {engine_code}"
    return StoreError(QUERY_FAILED, f"The store could not run this query ({name}{number}).", engine_code)


def unreachable() -> StoreError:
    """Nothing that speaks ClickHouse answers at the configured address."""
    return StoreError(*_UNREACHABLE)
