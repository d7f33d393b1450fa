"""Signing up and in, profile and verification."""

from __future__ import annotations

from typing import Any

from loopin_producers.simulator.visit import Visit

_CHANNELS = ("organic", "organic", "referral", "ads", "social", "search")
_CAMPAIGNS = ("spring", "student", "weekend")
_OTP_FAILS = 0.05
_LOGIN_FAILS = 0.06


def edit_profile(visit: Visit) -> None:
    """Fill in a bit more of the profile; it grows with the time since signing up."""
    weeks = max(0, visit.day - visit.user.signup_day) / 7
    grown = min(1.0, 0.35 + 0.08 * weeks + 0.1 * visit.dice.random())
    visit.page("/settings/profile")
    visit.event("profile_updated", {"completion": round(grown, 2)})


def sign_up(visit: Visit) -> None:
    """Create the account, which the device's anonymous id becomes part of."""
    dice, anonymous = visit.dice, visit.anonymous_id
    channel = dice.pick(_CHANNELS)
    visit.page("/", anonymous)
    visit.page("/signup", anonymous)
    properties = {"channel": channel, "country": visit.city.country, "city": visit.city.name}
    if channel == "ads":
        properties["campaign"] = dice.pick(_CAMPAIGNS)
    visit.event("user_signed_up", properties)
    _one_time_password(visit)
    _identify(visit, {"signup_channel": channel})
    visit.event("profile_updated", {"completion": round(dice.between(0.2, 0.45), 2)})


def sign_in(visit: Visit) -> None:
    """Come from an anonymous page to the account, at times with a second attempt."""
    dice = visit.dice
    visit.page("/login", visit.anonymous_id)
    if dice.happens(_LOGIN_FAILS):
        reason = dice.pick(("wrong_password", "locked", "expired"))
        visit.as_(visit.anonymous_id, "login_failed", {"reason": reason})
    if dice.happens(0.35):
        _one_time_password(visit)
    visit.event("user_logged_in", {"method": dice.pick(("password", "otp", "google"))})
    _identify(visit, {})


def verify(visit: Visit) -> None:
    """Have one's identity verified."""
    visit.page("/settings/verification")
    visit.event("user_verified", {})


def _identify(visit: Visit, more: dict[str, Any]) -> None:
    city = visit.city
    person = {"country": city.country, "city": city.name, "device_type": visit.device.device_type, **more}
    visit.event("$identify", {"$anon_distinct_id": visit.anonymous_id, "$set": person})


def _one_time_password(visit: Visit) -> None:
    visit.event("otp_sent", {"channel": "sms"})
    if visit.dice.happens(_OTP_FAILS):
        visit.event("otp_failed", {"reason": visit.dice.pick(("wrong_code", "expired"))})
        visit.event("otp_sent", {"channel": "sms"})
    visit.event("otp_verified", {})
