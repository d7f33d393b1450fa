"""The segments of users by what is predicted of them: one visible tuple, the first rule that holds counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from loopin_schemas.profile import HIGH_RISK

LOW_RISK: Final = 0.4
"""Probability of leaving up to which a user is likely to stay."""

LIKELY_BUYER: Final = 0.5
"""Probability of buying from which on it is likelier than not."""

TOP_SHARE: Final = 0.8
"""Of those who have spent anything, the fifth that has spent most is above this share of them."""


class Person(NamedTuple):
    """What segments are made by: probabilities 0 to 1, None where nothing is predicted.

    ``bought`` is whether they ever paid for a ticket, in whatever currency, given back or not; ``spent`` is
    in the project's currency, purchases less refunds of all time, where there is a rate.
    """

    churn: float
    conversion: float | None
    bought: bool
    spent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Users of whom all that is set is true.

    Attributes:
        name: exact name.
        description: who they are, for a person.
        action: what to do about them, one sentence.
        churn_above: probability of leaving that they are above.
        churn_up_to: probability of leaving that they do not exceed.
        conversion_from: least probability of buying.
        bought: whether they ever paid for a ticket.
        top: whether they have spent at least as much as the top fifth of those who have spent anything.
    """

    name: str
    description: str
    action: str
    churn_above: float | None = None
    churn_up_to: float | None = None
    conversion_from: float | None = None
    bought: bool | None = None
    top: bool | None = None

    def holds(self, of: Person, top_spent: float | None) -> bool:
        """Whether somebody is one of them; ``top_spent`` is what the top fifth has spent at least."""
        is_top = top_spent is not None and of.spent > 0 and of.spent >= top_spent
        return (
            (self.churn_above is None or of.churn > self.churn_above)
            and (self.churn_up_to is None or of.churn <= self.churn_up_to)
            and (
                self.conversion_from is None
                or (of.conversion is not None and of.conversion >= self.conversion_from)
            )
            and (self.bought is None or of.bought == self.bought)
            and (self.top is None or is_top == self.top)
        )


SEGMENTS: Final[tuple[Segment, ...]] = (
    Segment(
        name="top_customers_at_risk",
        description="Have spent most, and are likely to leave.",
        action="Write to them one by one, and offer loyalty rewards.",
        churn_above=HIGH_RISK,
        top=True,
    ),
    Segment(
        name="customers_at_risk",
        description="Have bought, and are likely to leave.",
        action="Send relevant event recommendations, and address their complaints.",
        churn_above=HIGH_RISK,
        bought=True,
    ),
    Segment(
        name="visitors_at_risk",
        description="Have never bought, and are likely to leave.",
        action="Remind them of what is new since their last visit.",
        churn_above=HIGH_RISK,
    ),
    Segment(
        name="ready_to_buy",
        description="Are likely to buy a ticket.",
        action="Recommend events that fit, and make the way to the ticket short.",
        conversion_from=LIKELY_BUYER,
    ),
    Segment(
        name="top_customers",
        description="Have spent most.",
        action="Offer premium features, early access and loyalty rewards.",
        top=True,
    ),
    Segment(
        name="loyal_customers",
        description="Have bought, and are likely to stay.",
        action="Recommend similar events.",
        churn_up_to=LOW_RISK,
        bought=True,
    ),
    Segment(
        name="loyal_visitors",
        description="Have never bought, and are likely to stay.",
        action="Recommend free events, and such that are easy to attend.",
        churn_up_to=LOW_RISK,
        bought=False,
    ),
    Segment(
        name="undecided",
        description="All others: neither likely to stay nor to leave.",
        action="Ask them what they miss.",
    ),
)
"""In order of how urgent they are; the last one takes whoever is left."""


def segment_of(of: Person, top_spent: float | None) -> str:
    """The name of the segment that somebody is in."""
    return next(segment.name for segment in SEGMENTS if segment.holds(of, top_spent))
