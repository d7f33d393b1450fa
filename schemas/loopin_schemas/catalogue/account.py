"""Events of accounts: signing up and in, one-time passwords, profiles."""

from __future__ import annotations

from loopin_schemas.catalogue.event_type import Alias, EventType, Property

_REASON = Property("reason", "text", "Why it failed")

ACCOUNT: tuple[EventType, ...] = (
    EventType(
        "user_signed_up",
        "A person created an account",
        (
            Property("channel", "text", "How the user was acquired, such as organic, referral or ads"),
            Property("campaign", "text", "Campaign that brought the user"),
            Property("country", "text", "Country of the new user"),
        ),
        (Alias("Signed Up", "segment", (("type", "channel"),)),),
    ),
    EventType("user_logged_in", "A user signed in", aliases=(Alias("Signed In", "segment"),)),
    EventType("user_logged_out", "A user signed out", aliases=(Alias("Signed Out", "segment"),)),
    EventType(
        "login_failed",
        "An attempt to sign in was refused",
        (_REASON, Property("username_hash", "text", "Keyed hash of the name that was tried")),
    ),
    EventType("otp_sent", "A one-time password was sent"),
    EventType("otp_verified", "A one-time password was accepted"),
    EventType("otp_failed", "A one-time password was refused", (_REASON,)),
    EventType(
        "profile_updated",
        "A user changed their profile",
        (
            Property(
                "completion", "number", "Share of the profile that is filled in", "ratio",
                minimum=0, maximum=1,
            ),
            Property("changed", "list", "Names of the fields that changed"),
        ),
    ),
    EventType("user_verified", "A user's identity was verified"),
    # Segment's "Account Created" and "Account Deleted" are about companies, so they are no aliases here.
    EventType("account_deleted", "A user deleted their account"),
)  # fmt: skip
