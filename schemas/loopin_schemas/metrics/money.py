"""What is earned, refused, given back and disputed."""

from __future__ import annotations

from typing import Final

from loopin_schemas.metrics.definition import (
    ACTIVE,
    Count,
    MonthGrowth,
    Quotient,
    Revenue,
    Users,
    events,
    share,
)
from loopin_schemas.metrics.metric import DAYS, VISIT, Dimension, Metric

_OWNER: Final = "finance"
_PAID: Final[tuple[Dimension, ...]] = (*VISIT, "event_id")
_BOUGHT: Final = events("ticket_purchased")
_SUCCEEDED: Final = events("payment_succeeded")
_FAILED: Final = events("payment_failed")

MONEY: tuple[Metric, ...] = (
    Metric(
        name="revenue",
        kind="kpi",
        category="revenue",
        unit="money",
        description="Amounts of tickets bought less those of refunds.",
        definition=Revenue(),
        dimensions=_PAID,
        owner=_OWNER,
    ),
    Metric(
        name="rpu",
        kind="kpi",
        category="revenue",
        unit="money",
        description="Revenue per active user.",
        definition=Quotient(Revenue(), Users(ACTIVE)),
        owner=_OWNER,
    ),
    Metric(
        name="arppu",
        kind="kpi",
        category="revenue",
        unit="money",
        description="Revenue per user who bought a ticket.",
        definition=Quotient(Revenue(), Users(_BOUGHT)),
        owner=_OWNER,
    ),
    Metric(
        name="payment_failure_rate",
        kind="kri",
        category="payments",
        unit="ratio",
        better="lower",
        description="Of the payments that went through or failed, those that failed.",
        definition=share(_FAILED, _SUCCEEDED),
        dimensions=_PAID,
        owner=_OWNER,
        warning=0.10,
        critical=0.20,
    ),
    Metric(
        name="refund_rate",
        kind="kri",
        category="payments",
        unit="ratio",
        better="lower",
        description="Refunds / tickets bought.",
        definition=Quotient(Count(events("payment_refunded")), Count(_BOUGHT)),
        dimensions=_PAID,
        owner=_OWNER,
        warning=0.05,
        critical=0.10,
    ),
    Metric(
        name="chargeback_rate",
        kind="kri",
        category="payments",
        unit="ratio",
        better="lower",
        description="Disputed payments / payments that went through.",
        definition=Quotient(Count(events("payment_disputed")), Count(_SUCCEEDED)),
        dimensions=_PAID,
        owner=_OWNER,
        warning=0.005,
        critical=0.01,
        at_least=200,
    ),
    Metric(
        name="ticket_purchase_success",
        kind="kr",
        category="payments",
        unit="ratio",
        description="Of the payments that went through or failed, those that went through.",
        definition=share(_SUCCEEDED, _FAILED),
        dimensions=_PAID,
        owner=_OWNER,
        target=0.95,
    ),
    Metric(
        name="revenue_growth",
        kind="kr",
        category="growth",
        unit="ratio",
        description="Revenue of this month so far against the same days of the month before.",
        definition=MonthGrowth(Revenue()),
        dimensions=_PAID,
        grains=DAYS,
        owner=_OWNER,
        target=0.10,
    ),
)
