"""The catalogue's events as types, so that mypy checks their properties.

>>> from loopin_producers.events import TicketPurchased
>>> TicketPurchased(amount=25.0, currency="EUR").properties()
{'amount': 25.0, 'currency': 'EUR'}

Generated from the catalogue by ``make generated``. Properties that it does not name go into ``capture``'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

from loopin_producers.typed_event import TypedEvent

__all__ = [
    "AccountDeleted",
    "ApiRequest",
    "AppCrashed",
    "Click",
    "CommunityActivity",
    "CommunityJoined",
    "CommunityLeft",
    "CommunityViewed",
    "ContentCommented",
    "ContentCreated",
    "ContentLeft",
    "ContentLiked",
    "ContentShared",
    "ContentViewed",
    "ErrorLogged",
    "EventAttended",
    "EventCancelled",
    "EventCreated",
    "EventJoinRequested",
    "EventJoined",
    "EventLeft",
    "EventPublished",
    "EventReviewed",
    "EventSoldOut",
    "EventViewed",
    "Exception",
    "ExperimentExposed",
    "FeatureFlagCalled",
    "FeedbackSubmitted",
    "GeoAccessChecked",
    "LoginFailed",
    "MessageSent",
    "OtpFailed",
    "OtpSent",
    "OtpVerified",
    "PageLoaded",
    "Pageleave",
    "Pageview",
    "PaymentDisputed",
    "PaymentFailed",
    "PaymentRefunded",
    "PaymentSucceeded",
    "ProfileUpdated",
    "RecommendationClicked",
    "RecommendationShown",
    "SearchPerformed",
    "SearchResultClicked",
    "SearchResultShown",
    "SystemMetric",
    "TicketPurchased",
    "UserFollowed",
    "UserLoggedIn",
    "UserLoggedOut",
    "UserSignedUp",
    "UserUnfollowed",
    "UserVerified",
    "WebVitals",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSignedUp(TypedEvent):
    """A person created an account."""

    event_name: ClassVar[str] = "user_signed_up"

    channel: str | None = None
    """How the user was acquired, such as organic, referral or ads."""

    campaign: str | None = None
    """Campaign that brought the user."""

    country: str | None = None
    """Country of the new user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserLoggedIn(TypedEvent):
    """A user signed in."""

    event_name: ClassVar[str] = "user_logged_in"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserLoggedOut(TypedEvent):
    """A user signed out."""

    event_name: ClassVar[str] = "user_logged_out"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginFailed(TypedEvent):
    """An attempt to sign in was refused."""

    event_name: ClassVar[str] = "login_failed"

    reason: str | None = None
    """Why it failed."""

    username_hash: str | None = None
    """Keyed hash of the name that was tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtpSent(TypedEvent):
    """A one-time password was sent."""

    event_name: ClassVar[str] = "otp_sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class OtpVerified(TypedEvent):
    """A one-time password was accepted."""

    event_name: ClassVar[str] = "otp_verified"


@dataclass(frozen=True, slots=True, kw_only=True)
class OtpFailed(TypedEvent):
    """A one-time password was refused."""

    event_name: ClassVar[str] = "otp_failed"

    reason: str | None = None
    """Why it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileUpdated(TypedEvent):
    """A user changed their profile."""

    event_name: ClassVar[str] = "profile_updated"

    completion: float | None = None
    """Share of the profile that is filled in (ratio)."""

    changed: Sequence[Any] | None = None
    """Names of the fields that changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserVerified(TypedEvent):
    """A user's identity was verified."""

    event_name: ClassVar[str] = "user_verified"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDeleted(TypedEvent):
    """A user deleted their account."""

    event_name: ClassVar[str] = "account_deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCreated(TypedEvent):
    """A host created an event."""

    event_name: ClassVar[str] = "event_created"

    event_id: str | int | UUID
    """The platform's event."""

    host_id: str | int | UUID
    """User who holds the event."""

    category: str | None = None
    """Kind of event, such as music or food."""

    price: float | None = None
    """Price of a ticket (money)."""

    capacity: int | None = None
    """Most people who can attend (people)."""

    starts_at: datetime | str | int | None = None
    """When the event begins."""

    city: str | None = None
    """City where the event takes place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPublished(TypedEvent):
    """An event became visible to users."""

    event_name: ClassVar[str] = "event_published"

    event_id: str | int | UUID
    """The platform's event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventCancelled(TypedEvent):
    """An event was called off."""

    event_name: ClassVar[str] = "event_cancelled"

    event_id: str | int | UUID
    """The platform's event."""

    by: Literal["host", "platform"] | None = None
    """Who called it off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventViewed(TypedEvent):
    """A user opened an event's page."""

    event_name: ClassVar[str] = "event_viewed"

    event_id: str | int | UUID
    """The platform's event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventJoinRequested(TypedEvent):
    """A user asked to join an event."""

    event_name: ClassVar[str] = "event_join_requested"

    event_id: str | int | UUID
    """The platform's event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventJoined(TypedEvent):
    """A user became a participant of an event."""

    event_name: ClassVar[str] = "event_joined"

    event_id: str | int | UUID
    """The platform's event."""

    starts_at: datetime | str | int | None = None
    """When the event begins; until then it is open who comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLeft(TypedEvent):
    """A participant withdrew from an event."""

    event_name: ClassVar[str] = "event_left"

    event_id: str | int | UUID
    """The platform's event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventAttended(TypedEvent):
    """A participant was present at an event."""

    event_name: ClassVar[str] = "event_attended"

    event_id: str | int | UUID
    """The platform's event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSoldOut(TypedEvent):
    """An event has no places left."""

    event_name: ClassVar[str] = "event_sold_out"

    event_id: str | int | UUID
    """The platform's event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventReviewed(TypedEvent):
    """A participant reviewed an event."""

    event_name: ClassVar[str] = "event_reviewed"

    event_id: str | int | UUID
    """The platform's event."""

    rating: float
    """Stars given (1-5)."""

    text: str | None = None
    """The review; feeds sentiment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketPurchased(TypedEvent):
    """A user bought a ticket; its amount is revenue."""

    event_name: ClassVar[str] = "ticket_purchased"

    amount: float
    """Sum in the currency's unit, not in cents (money)."""

    event_id: str | int | UUID | None = None
    """The platform's event that was paid for."""

    currency: str | None = None
    """ISO 4217 code; the project's currency if absent."""

    payment_method: str | None = None
    """Payment provider or method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentSucceeded(TypedEvent):
    """A payment went through."""

    event_name: ClassVar[str] = "payment_succeeded"

    amount: float | None = None
    """Sum in the currency's unit, not in cents (money)."""

    event_id: str | int | UUID | None = None
    """The platform's event that was paid for."""

    currency: str | None = None
    """ISO 4217 code; the project's currency if absent."""

    payment_method: str | None = None
    """Payment provider or method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFailed(TypedEvent):
    """A payment was refused."""

    event_name: ClassVar[str] = "payment_failed"

    amount: float | None = None
    """Sum in the currency's unit, not in cents (money)."""

    reason: str | None = None
    """Why it failed."""

    event_id: str | int | UUID | None = None
    """The platform's event that was paid for."""

    currency: str | None = None
    """ISO 4217 code; the project's currency if absent."""

    payment_method: str | None = None
    """Payment provider or method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRefunded(TypedEvent):
    """A payment was given back; its amount lowers revenue."""

    event_name: ClassVar[str] = "payment_refunded"

    amount: float
    """Sum in the currency's unit, not in cents (money)."""

    event_id: str | int | UUID | None = None
    """The platform's event that was paid for."""

    currency: str | None = None
    """ISO 4217 code; the project's currency if absent."""

    payment_method: str | None = None
    """Payment provider or method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDisputed(TypedEvent):
    """A payer disputed a payment."""

    event_name: ClassVar[str] = "payment_disputed"

    amount: float | None = None
    """Sum in the currency's unit, not in cents (money)."""

    event_id: str | int | UUID | None = None
    """The platform's event that was paid for."""

    currency: str | None = None
    """ISO 4217 code; the project's currency if absent."""

    payment_method: str | None = None
    """Payment provider or method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pageview(TypedEvent):
    """A page or screen was shown."""

    event_name: ClassVar[str] = "$pageview"
    property_names: ClassVar[dict[str, str]] = {
        "current_url": "$current_url",
        "pathname": "$pathname",
        "referrer": "$referrer",
    }

    current_url: str | None = None
    """Full address of the page."""

    pathname: str | None = None
    """Path of the page."""

    referrer: str | None = None
    """Address that the user came from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pageleave(TypedEvent):
    """A page or screen was left."""

    event_name: ClassVar[str] = "$pageleave"
    property_names: ClassVar[dict[str, str]] = {
        "current_url": "$current_url",
        "pathname": "$pathname",
        "referrer": "$referrer",
    }

    duration_s: float | None = None
    """Time on the page (s)."""

    current_url: str | None = None
    """Full address of the page."""

    pathname: str | None = None
    """Path of the page."""

    referrer: str | None = None
    """Address that the user came from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Click(TypedEvent):
    """An element was clicked or tapped."""

    event_name: ClassVar[str] = "click"

    element: str | None = None
    """Name that the page gave the element."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPerformed(TypedEvent):
    """A user searched."""

    event_name: ClassVar[str] = "search_performed"

    query_length: int | None = None
    """Length of the query (characters)."""

    results: int | None = None
    """Number of results (results)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLoaded(TypedEvent):
    """A page finished loading."""

    event_name: ClassVar[str] = "page_loaded"

    load_ms: float
    """Time to load (ms)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebVitals(TypedEvent):
    """The browser measured a page's web vitals."""

    event_name: ClassVar[str] = "$web_vitals"
    property_names: ClassVar[dict[str, str]] = {
        "web_vitals_lcp_value": "$web_vitals_LCP_value",
        "web_vitals_fcp_value": "$web_vitals_FCP_value",
        "web_vitals_inp_value": "$web_vitals_INP_value",
        "web_vitals_cls_value": "$web_vitals_CLS_value",
        "web_vitals_ttfb_value": "$web_vitals_TTFB_value",
    }

    web_vitals_lcp_value: float | None = None
    """Largest contentful paint (ms)."""

    web_vitals_fcp_value: float | None = None
    """First contentful paint (ms)."""

    web_vitals_inp_value: float | None = None
    """Interaction to next paint (ms)."""

    web_vitals_cls_value: float | None = None
    """Cumulative layout shift (score)."""

    web_vitals_ttfb_value: float | None = None
    """Time to first byte (ms)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppCrashed(TypedEvent):
    """The app crashed."""

    event_name: ClassVar[str] = "app_crashed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exception(TypedEvent):
    """Code raised an error."""

    event_name: ClassVar[str] = "$exception"
    property_names: ClassVar[dict[str, str]] = {
        "exception_list": "$exception_list",
        "exception_level": "$exception_level",
    }

    exception_list: Sequence[Any] | None = None
    """The errors, outermost first."""

    exception_level: str | None = None
    """Severity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentCreated(TypedEvent):
    """A user published content."""

    event_name: ClassVar[str] = "content_created"

    content_type: str
    """Kind of content, such as post or article."""

    object_id: str | int | UUID
    """The piece of content."""

    author_id: str | int | UUID | None = None
    """User who made the content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentViewed(TypedEvent):
    """A user saw a piece of content."""

    event_name: ClassVar[str] = "content_viewed"

    content_type: str
    """Kind of content, such as post or article."""

    object_id: str | int | UUID
    """The piece of content."""

    author_id: str | int | UUID | None = None
    """User who made the content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentLeft(TypedEvent):
    """A user turned away from a piece of content."""

    event_name: ClassVar[str] = "content_left"

    content_type: str
    """Kind of content, such as post or article."""

    object_id: str | int | UUID
    """The piece of content."""

    author_id: str | int | UUID | None = None
    """User who made the content."""

    duration_s: float | None = None
    """Time spent on it (s)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentLiked(TypedEvent):
    """A user liked a piece of content."""

    event_name: ClassVar[str] = "content_liked"

    content_type: str
    """Kind of content, such as post or article."""

    object_id: str | int | UUID
    """The piece of content."""

    author_id: str | int | UUID | None = None
    """User who made the content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentCommented(TypedEvent):
    """A user commented on a piece of content."""

    event_name: ClassVar[str] = "content_commented"

    content_type: str
    """Kind of content, such as post or article."""

    object_id: str | int | UUID
    """The piece of content."""

    author_id: str | int | UUID | None = None
    """User who made the content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentShared(TypedEvent):
    """A user shared a piece of content."""

    event_name: ClassVar[str] = "content_shared"

    content_type: str
    """Kind of content, such as post or article."""

    object_id: str | int | UUID
    """The piece of content."""

    author_id: str | int | UUID | None = None
    """User who made the content."""

    share_message: str | None = None
    """Words that the user sent along."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResultShown(TypedEvent):
    """A piece of content appeared among search results."""

    event_name: ClassVar[str] = "search_result_shown"

    content_type: str
    """Kind of content, such as post or article."""

    object_id: str | int | UUID
    """The piece of content."""

    position: int | None = None
    """Place in the list of results (rank)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResultClicked(TypedEvent):
    """A user opened a search result."""

    event_name: ClassVar[str] = "search_result_clicked"

    content_type: str
    """Kind of content, such as post or article."""

    object_id: str | int | UUID
    """The piece of content."""

    position: int | None = None
    """Place in the list of results (rank)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFollowed(TypedEvent):
    """A user began to follow another."""

    event_name: ClassVar[str] = "user_followed"

    followed_id: str | int | UUID | None = None
    """The user who is followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserUnfollowed(TypedEvent):
    """A user stopped following another."""

    event_name: ClassVar[str] = "user_unfollowed"

    followed_id: str | int | UUID | None = None
    """The user who is followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSent(TypedEvent):
    """A user sent a private message; its words are scored, never stored."""

    event_name: ClassVar[str] = "message_sent"
    property_names: ClassVar[dict[str, str]] = {
        "sentiment": "$sentiment",
        "text_length": "$text_length",
    }

    text: str | None = None
    """The message, of which only the next two stay."""

    message: str | None = None
    """The message, under another name."""

    sentiment: float | None = None
    """How its words feel (VADER)."""

    text_length: int | None = None
    """How long it is (characters)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackSubmitted(TypedEvent):
    """A user gave feedback on the product."""

    event_name: ClassVar[str] = "feedback_submitted"

    rating: float | None = None
    """Stars given (1-5)."""

    text: str | None = None
    """The feedback; feeds sentiment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendationShown(TypedEvent):
    """A recommendation was shown to a user."""

    event_name: ClassVar[str] = "recommendation_shown"

    item_type: str
    """Kind of the recommended item."""

    item_id: str | int | UUID
    """The recommended item."""

    position: int | None = None
    """Place in the list (rank)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendationClicked(TypedEvent):
    """A user opened a recommendation."""

    event_name: ClassVar[str] = "recommendation_clicked"

    item_type: str
    """Kind of the recommended item."""

    item_id: str | int | UUID
    """The recommended item."""

    position: int | None = None
    """Place in the list (rank)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunityViewed(TypedEvent):
    """A user opened a community."""

    event_name: ClassVar[str] = "community_viewed"

    community_id: str | int | UUID
    """The community."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunityJoined(TypedEvent):
    """A user became a member of a community."""

    event_name: ClassVar[str] = "community_joined"

    community_id: str | int | UUID
    """The community."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunityLeft(TypedEvent):
    """A member left a community."""

    event_name: ClassVar[str] = "community_left"

    community_id: str | int | UUID
    """The community."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunityActivity(TypedEvent):
    """A user was active in a community."""

    event_name: ClassVar[str] = "community_activity"

    community_id: str | int | UUID
    """The community."""

    activity_type: str
    """What the user did, such as view."""

    duration_s: float | None = None
    """How long it took (s)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeoAccessChecked(TypedEvent):
    """A user's place was checked against a community's restriction."""

    event_name: ClassVar[str] = "geo_access_checked"

    community_id: str | int | UUID
    """The community."""

    access_result: Literal["allowed", "blocked"]
    """The decision."""

    reason: Literal["country", "city", "region"] | None = None
    """Which rule decided."""

    is_traveler: bool | None = None
    """Whether the user is away from home."""

    bypass: bool | None = None
    """Whether the user got around the restriction."""

    country: str | None = None
    """Country of the attempt."""

    region: str | None = None
    """Region of the attempt."""

    city: str | None = None
    """City of the attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureFlagCalled(TypedEvent):
    """A client evaluated a feature flag."""

    event_name: ClassVar[str] = "$feature_flag_called"
    property_names: ClassVar[dict[str, str]] = {
        "feature_flag": "$feature_flag",
        "feature_flag_response": "$feature_flag_response",
    }

    feature_flag: str
    """Key of the flag."""

    feature_flag_response: Any | None = None
    """Variant's name, or whether the flag is on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentExposed(TypedEvent):
    """A user met a variant of an experiment."""

    event_name: ClassVar[str] = "experiment_exposed"

    experiment: str
    """Name of the experiment."""

    variant: str
    """Variant that the user met."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest(TypedEvent):
    """The backend answered an HTTP request."""

    event_name: ClassVar[str] = "api_request"

    route: str
    """Route's pattern, without ids."""

    status: int
    """HTTP status."""

    duration_ms: float
    """Time to answer (ms)."""

    method: str | None = None
    """HTTP method."""

    exception: str | None = None
    """Class of the exception that was not handled."""

    session_key_hash: str | None = None
    """Hash of the web framework's session key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemMetric(TypedEvent):
    """A component measured itself."""

    event_name: ClassVar[str] = "system_metric"

    metric_type: str
    """What was measured, such as cpu_usage."""

    value: float
    """The measurement, in the metric's own unit."""

    component: str | None = None
    """Component that was measured."""

    operation: str | None = None
    """Operation that was measured."""

    response_time_ms: float | None = None
    """How long the operation took (ms)."""

    status_code: int | None = None
    """HTTP status that it was answered with."""

    memory_usage_mb: float | None = None
    """Memory in use (MB)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorLogged(TypedEvent):
    """The backend logged an error."""

    event_name: ClassVar[str] = "error_logged"

    level: Literal["debug", "info", "warning", "error", "critical"]
    """Severity."""

    message: str
    """The error's message."""

    stack_trace: str | None = None
    """Where it happened."""

    url: str | None = None
    """Address of the request."""

    method: str | None = None
    """HTTP method."""
