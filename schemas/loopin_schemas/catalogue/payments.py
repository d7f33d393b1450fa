"""Events of tickets and payments."""

from __future__ import annotations

from loopin_schemas.catalogue.event_type import Alias, EventType, Property

_AMOUNT = Property("amount", "number", "Sum in the currency's unit, not in cents", "money", minimum=0)
_REQUIRED_AMOUNT = Property(
    "amount", "number", "Sum in the currency's unit, not in cents", "money", required=True, minimum=0
)
_REASON = Property("reason", "text", "Why it failed")
_PAYMENT = (
    Property("event_id", "id", "The platform's event that was paid for"),
    Property("currency", "text", "ISO 4217 code; the project's currency if absent"),
    Property("payment_method", "text", "Payment provider or method"),
)
_SEGMENT_SUM = (("total", "amount"), ("revenue", "amount"))

PAYMENTS: tuple[EventType, ...] = (
    EventType(
        "ticket_purchased",
        "A user bought a ticket; its amount is revenue",
        (_REQUIRED_AMOUNT, *_PAYMENT),
        (Alias("Order Completed", "segment", _SEGMENT_SUM),),
        revenue=1,
    ),
    EventType("payment_succeeded", "A payment went through", (_AMOUNT, *_PAYMENT)),
    EventType("payment_failed", "A payment was refused", (_AMOUNT, _REASON, *_PAYMENT)),
    EventType(
        "payment_refunded",
        "A payment was given back; its amount lowers revenue",
        (_REQUIRED_AMOUNT, *_PAYMENT),
        (Alias("Order Refunded", "segment", _SEGMENT_SUM),),
        revenue=-1,
    ),
    EventType("payment_disputed", "A payer disputed a payment", (_AMOUNT, *_PAYMENT)),
)
