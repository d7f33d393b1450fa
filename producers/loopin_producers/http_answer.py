"""What the API's answer to a batch says of each event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

import msgspec

from loopin_producers.errors import DeliveryFailed


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
    code: str = ""
    reason: str = ""
    receipts: Mapping[str, _Receipt] = field(default_factory=dict)

    def of(self, uuid: str) -> tuple[bool, DeliveryFailed | None]:
        """Whether the event's fate is decided, and its failure if that is what was decided."""
        if self.outcome in (Outcome.REFUSED, Outcome.TOO_LARGE):
            return True, _refused(self.reason, self.code)
        receipt = self.receipts.get(uuid)
        if receipt is None or receipt.result == "retry":
            return False, None
        if receipt.result == "drop":
            return True, _refused(receipt.reason or "", receipt.code or "dropped")
        return True, None


def read_answer(status: int, retry_after: str | None, body: bytes) -> Answer:
    """The answer with this status, ``Retry-After`` and body; never raises.

    408, 429 and 5xx ask for another try, other 4xx are final (the contract of the ingestion endpoints);
    whatever is not an answer of the API, such as a proxy's, is tried again.
    """
    try:
        decoded = msgspec.json.decode(body, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        decoded = _Body()
    wait = _seconds(retry_after)
    reason, code = decoded.error, decoded.error_code or str(status)
    if 200 <= status < 300 and decoded.data is not None:
        return Answer(Outcome.ANSWERED, wait, receipts={r.uuid: r for r in decoded.data.receipts})
    if status == 413:
        return Answer(Outcome.TOO_LARGE, wait, code, reason)
    if 400 <= status < 500 and status not in (408, 429):
        return Answer(Outcome.REFUSED, wait, code, reason)
    return Answer(Outcome.LATER, wait, code, reason)


def _seconds(retry_after: str | None) -> float | None:
    """``Retry-After`` in seconds; a date, which our API does not send, is left to our own pauses."""
    return float(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else None


def _refused(reason: str, code: str) -> DeliveryFailed:
    said = reason.rstrip(".") or "the API refused it"
    return DeliveryFailed(f"Event refused: {said}.", kafka_error=code, final=True)
