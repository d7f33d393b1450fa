"""What the API's answer to a batch says of each event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal

import msgspec

from loopin_producers.errors import DeliveryFailed

_ADVICE: Final[Mapping[int, str]] = {
    401: "Give a valid api_key",
    402: "Raise the project's quota",
    403: "Give an api_key with the scope ingest",
    404: "Correct url",
    405: "Correct url",
    413: "Make the event smaller",
    429: "Raise the key's rate, or capture less",
}
_REFUSED_ADVICE: Final = "Install the versions of loopin-analytics and of the API that belong together"
_LATER_ADVICE: Final = "See to the API, and to what is in front of it"

_LATER: Final = frozenset({404, 405, 408, 429})
"""Of the refusals those that may pass: too much at once, and a gateway that does not know the API yet."""


class Outcome(Enum):
    """What became of a request: answered for each event, refused whole for ever or for now, or lost."""

    ANSWERED = "answered"
    REFUSED = "refused"
    TOO_LARGE = "too_large"
    LATER = "later"
    UNREACHABLE = "unreachable"


class _Receipt(msgspec.Struct):
    uuid: str
    result: Literal["ok", "warning", "drop", "retry"]
    reason: str | None = None
    code: str | None = None


class _Receipts(msgspec.Struct):
    receipts: list[_Receipt] = []


class _Body(msgspec.Struct):
    data: _Receipts | None = None
    error: str = ""
    error_code: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome, when to ask again (s) if the API says so, and the receipts by uuid."""

    outcome: Outcome
    retry_after_s: float | None = None
    status: int = 0
    code: str = ""
    reason: str = ""
    receipts: Mapping[str, _Receipt] = field(default_factory=dict)

    def of(self, uuid: str) -> tuple[bool, DeliveryFailed | None]:
        """Whether the event's fate is decided, and its failure if that is what was decided."""
        if self.outcome in (Outcome.REFUSED, Outcome.TOO_LARGE):
            return True, self.failure
        receipt = self.receipts.get(uuid)
        if receipt is None or receipt.result == "retry":
            return False, None
        if receipt.result == "drop":
            said, code = (receipt.reason or "the API refused it").rstrip("."), receipt.code or "dropped"
            reason = f"Event refused: {said}."
            return True, DeliveryFailed(reason, kafka_error=code, final=True, error_code=receipt.code)
        return True, None

    @property
    def failure(self) -> DeliveryFailed:
        """What the answer says of all events at once."""
        final = self.outcome in (Outcome.REFUSED, Outcome.TOO_LARGE)
        advice = _ADVICE.get(self.status, _REFUSED_ADVICE if final else _LATER_ADVICE)
        named = f" ({self.code})" if self.code else ""
        said = f": {self.reason.rstrip('.')}" if self.reason else ""
        return DeliveryFailed(
            f"{advice}: the API answered {self.status}{named}{said}.",
            kafka_error=self.code or str(self.status),
            final=final,
            status=self.status,
            error_code=self.code or None,
        )


def read_answer(status: int, retry_after: str | None, body: bytes) -> Answer:
    """The answer with this status, ``Retry-After`` and body; never raises.

    408, 429 and 5xx ask for another try, other 4xx are final (the contract of the ingestion endpoints), but
    for 404 and 405: those are a gateway's, to which the API is unknown for now. Whatever else is not an
    answer of the API is tried again, too.
    """
    try:
        decoded = msgspec.json.decode(body, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        decoded = _Body()
    wait = _seconds(retry_after)
    told = (wait, status, decoded.error_code, decoded.error)
    if 200 <= status < 300 and decoded.data is not None:
        return Answer(Outcome.ANSWERED, wait, status, receipts={r.uuid: r for r in decoded.data.receipts})
    if status == 413:
        return Answer(Outcome.TOO_LARGE, *told)
    if 400 <= status < 500 and status not in _LATER:
        return Answer(Outcome.REFUSED, *told)
    return Answer(Outcome.LATER, *told)


def _seconds(retry_after: str | None) -> float | None:
    """``Retry-After`` in seconds; a date, which our API does not send, is left to our own pauses."""
    return float(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else None
