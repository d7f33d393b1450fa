from __future__ import annotations

import pickle

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import Group, User
from django.core import serializers
from django.db import transaction
from django.db.models.signals import post_init, post_save
from django.test import Client, override_settings

from loopin_producers.django import signals
from loopin_schemas.catalogue import by_name
from tests.producers.recorder import Recorder

COOKIE = "019ae1c8-3f00-7abc-8def-0123456789ab"
PASSWORD = "correct horse battery"


@pytest.fixture
def ann(recorder: Recorder) -> User:
    user = User.objects.create_user("ann", "ann@mail.example", PASSWORD, first_name="Ann")
    recorder.captured.clear()
    return user


def sign_in(browser: Client, name: str, password: str) -> int:
    return browser.post("/sign-in/", {"name": name, "password": password}).status_code


def test_signing_up_in_and_out(browser: Client, recorder: Recorder) -> None:
    key = str(browser.post("/sign-up/", {"name": "ann"}).json()["id"])
    browser.post("/sign-out/")

    signalled = [one for one in recorder.captured if one["source"] == "signal"]
    assert [(one["event"], one["distinct_id"], one["properties"]) for one in signalled] == [
        ("user_signed_up", key, {}),
        ("$identify", key, {}),
        ("user_logged_in", key, {}),
        ("user_logged_out", key, {}),
    ]
    assert all(by_name(one["event"]) or one["event"] == "$identify" for one in signalled)


def test_what_the_visitor_did_before_signing_in_is_the_users(
    browser: Client, recorder: Recorder, ann: User
) -> None:
    browser.cookies["loopin_id"] = COOKIE
    assert sign_in(browser, "ann", PASSWORD) == 204
    linked = recorder.only("$identify")
    assert (linked["distinct_id"], linked["properties"]) == (str(ann.pk), {"$anon_distinct_id": COOKIE})
    # And the request that signed in is the user's already.
    assert recorder.only("api_request")["distinct_id"] == str(ann.pk)


@pytest.mark.parametrize("cookie", [None, "", "undefined", "1", "victim", "ann@mail.example"])
def test_whoever_signs_in_is_identified_and_no_other_user_is_linked(
    browser: Client, recorder: Recorder, ann: User, cookie: str | None
) -> None:
    if cookie is not None:
        browser.cookies["loopin_id"] = cookie
    sign_in(browser, "ann", PASSWORD)
    one = recorder.only("$identify")
    assert (one["distinct_id"], one["properties"]) == (str(ann.pk), {})


def test_a_refused_login_tells_neither_name_nor_password(
    browser: Client, recorder: Recorder, ann: User
) -> None:
    assert sign_in(browser, "ann", "a wrong guess") == 401
    assert sign_in(browser, "ann", "another wrong guess") == 401
    assert sign_in(browser, "bob", "a wrong guess") == 401

    first, second, other = recorder.of("login_failed")
    assert first["properties"]["reason"] == "invalid_credentials"
    assert first["properties"]["username_hash"] == second["properties"]["username_hash"]
    assert first["properties"]["username_hash"] != other["properties"]["username_hash"]
    # The visitor's, not the user's, whom they may not be.
    assert first["distinct_id"] == recorder.of("api_request")[0]["distinct_id"] != str(ann.pk)
    for secret in ("ann", "guess", "bob"):
        assert secret not in str(recorder.captured)


def test_a_refusal_outside_a_request_has_a_name_of_its_own(recorder: Recorder, ann: User) -> None:
    assert authenticate(username="ann", password="a wrong guess") is None
    one = recorder.only("login_failed")
    assert one["distinct_id"] == f"login-{one['properties']['username_hash']}"

    with override_settings(LOOPIN={"TRACK_ANONYMOUS": False}):
        authenticate(username="ann", password="a wrong guess")
    assert len(recorder.of("login_failed")) == 1


def test_the_hash_of_a_name_needs_the_secret(recorder: Recorder, ann: User) -> None:
    authenticate(username="ann", password="x")
    with override_settings(SECRET_KEY="another"):
        authenticate(username="ann", password="x")
    first, second = recorder.of("login_failed")
    assert first["properties"]["username_hash"] != second["properties"]["username_hash"]


def test_a_refused_login_counts_even_if_its_transaction_is_rolled_back(recorder: Recorder, ann: User) -> None:
    with transaction.atomic():
        authenticate(username="ann", password="x")
        transaction.set_rollback(True)
    assert len(recorder.of("login_failed")) == 1


def test_a_changed_profile_names_its_fields_only(recorder: Recorder, ann: User) -> None:
    ann.first_name, ann.email = "Anna", "anna@mail.example"
    ann.save()
    one = recorder.only("profile_updated")
    assert one["distinct_id"] == str(ann.pk)
    assert one["properties"] == {"changed": ["email", "first_name"]}
    assert one["source"] == "signal"


def test_each_change_is_told_once(recorder: Recorder, ann: User) -> None:
    again = User.objects.get(pk=ann.pk)
    again.first_name = "Anna"
    again.save()
    again.save()
    again.last_name = "Lee"
    again.save()
    assert [one["properties"]["changed"] for one in recorder.of("profile_updated")] == [
        ["first_name"],
        ["last_name"],
    ]


def test_only_what_was_saved_counts(recorder: Recorder, ann: User) -> None:
    ann.first_name, ann.last_name = "Anna", "Lee"
    ann.save(update_fields=["last_name"])
    assert recorder.only("profile_updated")["properties"] == {"changed": ["last_name"]}
    ann.save()
    assert recorder.of("profile_updated")[1]["properties"] == {"changed": ["first_name"]}


def test_nothing_is_told_of_passwords_and_logins(browser: Client, recorder: Recorder, ann: User) -> None:
    ann.set_password("another")
    ann.save()
    assert sign_in(browser, "ann", "another") == 204  # writes last_login
    assert recorder.of("profile_updated") == []


def test_deferred_fields_are_not_fetched(recorder: Recorder, ann: User) -> None:
    partly = User.objects.only("first_name").get(pk=ann.pk)
    partly.first_name = "Anna"
    partly.save()
    assert "email" not in partly.__dict__
    assert recorder.only("profile_updated")["properties"] == {"changed": ["first_name"]}


def test_what_is_rolled_back_did_not_happen(browser: Client, recorder: Recorder, ann: User) -> None:
    with transaction.atomic():
        User.objects.create_user("bob")
        ann.first_name = "Anna"
        ann.save()
        transaction.set_rollback(True)
    assert not User.objects.filter(username="bob").exists()
    assert recorder.captured == []

    with transaction.atomic():
        User.objects.create_user("bob")
        assert recorder.captured == []
    assert len(recorder.of("user_signed_up")) == 1


def test_a_savepoint_that_is_rolled_back_takes_its_events_along(recorder: Recorder) -> None:
    with transaction.atomic():
        User.objects.create_user("ann")
        with transaction.atomic():
            User.objects.create_user("bob")
            transaction.set_rollback(True)
    assert recorder.only("user_signed_up")["distinct_id"] == str(User.objects.get().pk)


def test_fixtures_sign_nobody_up(recorder: Recorder) -> None:
    rows = '[{"model": "auth.user", "pk": 5, "fields": {"username": "ann", "password": "x"}}]'
    for row in serializers.deserialize("json", rows):
        row.save()
    assert User.objects.get().pk == 5
    assert recorder.captured == []


def test_an_event_has_the_time_of_its_change(recorder: Recorder) -> None:
    with transaction.atomic():
        User.objects.create_user("ann")
        User.objects.create_user("bob")
    first, second = recorder.of("user_signed_up")
    assert first["timestamp"] <= second["timestamp"]


def test_a_fault_of_ours_fails_no_save(recorder: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    recorder.fault = RuntimeError("no room")
    with transaction.atomic():
        User.objects.create_user("ann")
    User.objects.create_user("bob")
    assert User.objects.count() == 2
    (said,) = (record for record in caplog.records if record.name == "loopin_producers")
    assert "RuntimeError" in said.getMessage()


def test_connecting_twice_tells_everything_once(recorder: Recorder) -> None:
    signals.connect()
    User.objects.create_user("ann")
    assert len(recorder.of("user_signed_up")) == 1


def test_users_survive_pickling(recorder: Recorder, ann: User) -> None:
    copy = pickle.loads(pickle.dumps(ann))
    copy.first_name = "Anna"
    copy.save()
    assert recorder.only("profile_updated")["properties"] == {"changed": ["first_name"]}


def test_other_models_are_not_watched() -> None:
    """A handler without sender would cost every instance of every model."""
    assert post_save.has_listeners(User)
    assert post_init.has_listeners(User)
    assert not post_save.has_listeners(Group)
    assert not post_init.has_listeners(Group)
