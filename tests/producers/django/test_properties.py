"""What Django gives a view, as a property's value."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.functional import SimpleLazyObject, lazy
from django.utils.translation import gettext_lazy, override

from loopin_producers import Loopin
from loopin_producers.context import identify_context, new_context
from loopin_producers.properties import encode_properties
from tests.producers.recorder import NOBODY, Recorder


def values() -> dict[str, Any]:
    return {
        "users": User.objects.all(),
        "user": SimpleLazyObject(lambda: User.objects.get()),
        "names": lazy(lambda: list(User.objects.values_list("username")), list)(),
        "nested": [{"ann": User(username="ann")}],
    }


NAMES = {
    "users": "<QuerySet>",
    "user": "<SimpleLazyObject>",
    "names": "<__proxy__>",
    "nested": [{"ann": "<User>"}],
}


def test_no_query_is_run_and_no_row_leaves() -> None:
    User.objects.create_user("ann")
    with CaptureQueriesContext(connection) as queries:
        assert json.loads(encode_properties(values())) == NAMES
    assert len(queries) == 0


async def test_nor_is_it_in_a_coroutine() -> None:
    assert json.loads(encode_properties(values())) == NAMES


def test_nor_for_the_copy_that_before_send_gets(recorder: object) -> None:
    sent: list[Any] = []
    client = Loopin(NOBODY, "shop", disabled=True, before_send=lambda event: sent.append(event))
    with CaptureQueriesContext(connection) as queries:
        client.capture("click", "user-1", values())
    assert len(queries) == 0
    assert len(sent) == 1


def _somebody() -> Any:
    """As ``request.user`` is."""
    return SimpleLazyObject(lambda: User.objects.get())


def _capture_for_somebody(recorder: Recorder) -> None:
    assert recorder.capture("click", _somebody()) is None
    assert recorder.capture("click", "user-1", session_id=_somebody()) is None
    assert recorder.identify("user-1", anonymous_id=_somebody()) is None
    with new_context():
        identify_context(_somebody())
        assert recorder.capture("click") is None
    assert recorder.capture("click", "user-1", groups={"company": _somebody()})
    assert [bytes(one.properties).partition(b',"$lib')[0] for one in recorder.kept] == [b'{"$groups":{}']
    assert recorder.stats().dropped == 4


def test_a_lazy_object_is_no_id_and_is_not_asked(recorder: Recorder) -> None:
    with CaptureQueriesContext(connection) as queries:
        _capture_for_somebody(recorder)
    assert len(queries) == 0


async def test_nor_is_it_an_id_in_a_coroutine(recorder: Recorder) -> None:
    _capture_for_somebody(recorder)


@pytest.mark.parametrize(("language", "text"), [("en", "Monday"), ("de", "Montag")])
def test_translations_are_texts(language: str, text: str) -> None:
    with override(language):
        assert json.loads(encode_properties({"day": gettext_lazy("Monday")})) == {"day": text}
