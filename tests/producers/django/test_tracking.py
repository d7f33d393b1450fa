from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import AbstractUser, Group, User
from django.core.files.base import ContentFile
from django.db import connection, models, transaction
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext, isolate_apps

from loopin_producers.context import identify_context, new_context
from loopin_producers.django import track, tracking
from loopin_producers.django.checks import check_loopin
from loopin_schemas.catalogue import check_properties_types
from tests.e2e.django_project.tickets.models import Ticket
from tests.producers.recorder import Recorder


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """What a test declares ends with it."""
    before = list(tracking.TRACKINGS)
    yield
    for one in tracking.TRACKINGS[len(before) :]:
        one.disconnect()
    tracking.TRACKINGS[:] = before


@pytest.fixture
def ann(recorder: Recorder) -> User:
    user = User.objects.create_user("ann")
    recorder.captured.clear()
    return user


def test_a_ticket_is_an_event(recorder: Recorder, ann: User) -> None:
    ticket = Ticket.objects.create(user=ann, event_id=7, amount=Decimal("12.50"), community="c1")
    ticket.note = "changed"
    ticket.save()
    ticket.delete()

    bought, refunded = recorder.captured
    assert (bought["event"], refunded["event"]) == ("ticket_purchased", "payment_refunded")
    for one in (bought, refunded):
        assert one["distinct_id"] == str(ann.pk)
        assert one["properties"] == {"event_id": 7, "amount": Decimal("12.50"), "currency": "EUR"}
        assert one["groups"] == {"community": "c1"}
        assert one["source"] == "signal"


def test_a_line_is_enough_where_the_model_names_its_user(recorder: Recorder, ann: User) -> None:
    tracking.TRACKINGS[0].disconnect()
    track(Ticket, created="ticket_purchased", properties=("amount", "currency"))
    assert not [message for message in check_loopin() if message.id == "loopin.E004"]
    with new_context():
        identify_context("an administrator")
        Ticket.objects.create(user=ann, event_id=7, amount=Decimal("12.50"))
        Ticket.objects.create(event_id=7, amount=1)
    tracking.TRACKINGS[0].connect()
    one = recorder.only("ticket_purchased")
    assert one["distinct_id"] == str(ann.pk)
    assert one["properties"] == {"amount": Decimal("12.50"), "currency": "EUR"}


def test_users_are_their_own_and_what_belongs_to_nobody_is_the_contexts(recorder: Recorder) -> None:
    track(User, created="account_made")
    track(Group, created="club_founded")
    ann = User.objects.create_user("ann")
    assert recorder.only("account_made")["distinct_id"] == str(ann.pk)
    with new_context():
        identify_context("user-17")
        with transaction.atomic():
            Group.objects.create(name="chess")
            identify_context("somebody else")
    Group.objects.create(name="go")
    assert recorder.only("club_founded")["distinct_id"] == "user-17"


@isolate_apps()
def test_a_user_who_cannot_be_told_is_a_fault(recorder: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    class Message(models.Model):
        to: models.ForeignKey[Any, Any] = models.ForeignKey(User, models.CASCADE, related_name="+")
        sender: models.OneToOneField[Any, Any] = models.OneToOneField(User, models.CASCADE, related_name="+")

        class Meta:
            app_label = "tickets"

    class Letter(models.Model):
        to: models.ForeignKey[Any, Any] = models.ForeignKey(
            User, models.CASCADE, related_name="+", to_field="username"
        )

        class Meta:
            app_label = "tickets"

    track(Message, created="message_written")
    assert "track(Message): say whose event it is with distinct_id=, one of to_id, sender_id." in caplog.text
    track(Letter, created="letter_written")  # a username is no user's id, but the request's user is known
    track(Group, created="club_founded")
    (known,) = (message for message in check_loopin() if message.id == "loopin.E004")
    assert "track(Message)" in str(known.msg)
    own = [name for name in settings.MIDDLEWARE if "loopin" not in name]
    with override_settings(MIDDLEWARE=own):
        found = [str(message.msg) for message in check_loopin() if message.id == "loopin.E004"]
    assert [fault.partition(":")[0] for fault in found] == ["track(Message)", "track(Letter)", "track(Group)"]
    assert "no foreign key to auth.User" in found[2]


def test_rows_of_nobody_and_null_columns(recorder: Recorder, ann: User) -> None:
    Ticket.objects.create(event_id=7, amount=1)
    assert recorder.captured == []
    Ticket.objects.create(user=ann, event_id=7, amount=1)
    assert recorder.only("ticket_purchased")["groups"] == {}


def test_a_payment_that_fails_sells_nothing(browser: Client, recorder: Recorder, ann: User) -> None:
    browser.force_login(ann)
    assert browser.post("/tickets/", {"amount": "5", "fail": "1"}).status_code == 500
    assert recorder.of("ticket_purchased") == []
    assert not Ticket.objects.exists()
    assert browser.post("/tickets/", {"amount": "5"}).status_code == 201
    assert recorder.only("ticket_purchased")["properties"]["amount"] == Decimal(5)


def test_values_are_of_their_columns_types(recorder: Recorder, ann: User) -> None:
    """As they are once the row is read again; the catalogue wants numbers."""
    track(Ticket, updated="ticket_changed", properties=("user", "event_id", "amount", "note"))
    ticket = Ticket(user_id=str(ann.pk), event_id="7", amount="12.30", note=5)
    ticket.save()
    ticket.save()
    read = Ticket.objects.get()
    bought, changed = recorder.captured
    assert bought["properties"] == {"event_id": 7, "amount": Decimal("12.30"), "currency": "EUR"}
    assert changed["properties"] == {
        "user": read.user_id,  # type: ignore[attr-defined]  # the key of a relation
        "event_id": read.event_id,
        "amount": read.amount,
        "note": read.note,
    }
    sent = json.loads(bytes(recorder.kept[-2].properties))
    assert sent["amount"] == 12.3
    assert check_properties_types("ticket_purchased", sent) == ()


def test_what_the_database_computes_is_left_out(recorder: Recorder, ann: User) -> None:
    track(Ticket, updated="ticket_changed", properties=("amount", "currency"))
    ticket = Ticket.objects.create(user=ann, event_id=7, amount=1)
    ticket.amount = models.F("amount") + 1
    ticket.save()
    assert recorder.only("ticket_changed")["properties"] == {"currency": "EUR"}


@isolate_apps("tests.e2e.django_project.tickets")
def test_a_file_is_its_name(recorder: Recorder, tmp_path: Path) -> None:
    class Document(models.Model):
        file = models.FileField(upload_to="x")
        scan = models.FileField(null=True)
        title: models.CharField[Any, Any] = models.CharField(max_length=20)

        class Meta:
            app_label = "tickets"

    track(Document, created="document_added", properties=("file", "scan", "title"), distinct_id="title")
    with connection.schema_editor() as editor:
        editor.create_model(Document)
    try:
        with override_settings(MEDIA_ROOT=str(tmp_path)):
            Document(title="ann", file=ContentFile(b"x", name="report.pdf")).save()
            Document(title="ann", file="x/other.pdf").save()
        names = list(Document.objects.order_by("pk").values_list("file", flat=True))
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(Document)
    assert names == ["x/report.pdf", "x/other.pdf"]
    found = [json.loads(bytes(one.properties)) for one in recorder.kept]
    assert [(one.get("file"), "scan" in one) for one in found] == [(name, False) for name in names]


def test_the_values_are_those_of_the_save(recorder: Recorder, ann: User) -> None:
    with transaction.atomic():
        ticket = Ticket.objects.create(user=ann, event_id=7, amount=Decimal(1))
        ticket.amount = Decimal(2)
    assert recorder.only("ticket_purchased")["properties"]["amount"] == Decimal(1)


def test_updates_by_function(recorder: Recorder, ann: User) -> None:
    track(
        Ticket,
        updated="ticket_noted",
        properties=("user", "pk"),
        distinct_id=lambda ticket: f"u{ticket.user.pk}",
        groups=lambda ticket: {"event": str(ticket.event_id)},
        when=lambda ticket: ticket.note != "",
    )
    ticket = Ticket.objects.create(user=ann, event_id=7, amount=1)
    ticket.save()
    assert recorder.of("ticket_noted") == []
    ticket.note = "x"
    ticket.save()
    one = recorder.only("ticket_noted")
    assert (one["distinct_id"], one["groups"]) == (f"u{ann.pk}", {"event": "7"})
    assert one["properties"] == {"user": ann.pk, "pk": ticket.pk}


def test_nothing_is_read_for_an_event(recorder: Recorder, ann: User) -> None:
    track(Ticket, updated="ticket_noted", properties=("user", "amount"), distinct_id="user")
    Ticket.objects.create(user=ann, event_id=7, amount=1)
    partly = Ticket.objects.only("user_id", "note").get()
    partly.note = "x"
    with CaptureQueriesContext(connection) as queries:
        partly.save()
    assert not any(query["sql"].startswith("SELECT") for query in queries)
    assert recorder.only("ticket_noted")["properties"] == {"user": ann.pk}


def test_bulk_writes_send_no_signals_and_deleting_a_set_does(recorder: Recorder, ann: User) -> None:
    """As the docs say."""
    Ticket.objects.bulk_create([Ticket(user=ann, event_id=n, amount=1) for n in range(3)])
    Ticket.objects.update(amount=2)
    assert recorder.captured == []
    Ticket.objects.all().delete()
    assert len(recorder.of("payment_refunded")) == 3


FAULTY: tuple[tuple[dict[str, Any], str], ...] = (
    ({"created": "x", "properties": ("price",), "distinct_id": "user_id"}, "'price' is no column"),
    ({"created": "x", "distinct_id": "owner_id"}, "'owner_id' is no column"),
    ({"created": "x", "distinct_id": "user_id", "groups": {"c": "club"}}, "'club' is no column"),
    ({"created": "x", "distinct_id": "user_id", "properties": "amount"}, "a tuple of field names"),
    ({"distinct_id": "user_id"}, "name an event"),
    ({"created": "x" * 201, "distinct_id": "user_id"}, "at most 200"),
)


@pytest.mark.parametrize(("declared", "fault"), FAULTY)
def test_a_faulty_declaration_is_reported_and_not_followed(
    recorder: Recorder, ann: User, caplog: pytest.LogCaptureFixture, declared: dict[str, Any], fault: str
) -> None:
    track(Ticket, **declared)
    assert fault in caplog.text
    (found,) = (message for message in check_loopin() if message.id == "loopin.E004")
    assert fault in str(found.msg)
    assert "track(Ticket)" in str(found.msg)
    recorder.captured.clear()
    Ticket.objects.create(user=ann, event_id=7, amount=1)
    assert [one["event"] for one in recorder.captured] == ["ticket_purchased"]


def test_an_abstract_model_is_refused(recorder: Recorder) -> None:
    track(AbstractUser, created="x", distinct_id="username")
    assert "abstract" in str([message.msg for message in check_loopin()])


def test_a_fault_of_a_function_fails_no_save(
    recorder: Recorder, ann: User, caplog: pytest.LogCaptureFixture
) -> None:
    track(Ticket, created="x", distinct_id=lambda ticket: ticket.owner)  # type: ignore[attr-defined]
    Ticket.objects.create(user=ann, event_id=7, amount=1)
    assert [one["event"] for one in recorder.captured] == ["ticket_purchased"]
    assert "AttributeError" in caplog.text
