"""Declares which events a model gives rise to.

In ``ready()`` of an app:

track(Ticket, created="ticket_purchased", properties=("amount", "currency"))

The user is the one whom the ticket belongs to: the model's foreign key to the user model.
Events follow Django's signals: ``bulk_create``, ``bulk_update`` and ``QuerySet.update`` send none, so capture
there by hand. ``QuerySet.delete`` sends them, and for that reads the rows before it deletes them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.db.models import Field, FileField, ForeignKey, Model
from django.db.models.signals import post_delete, post_save

from loopin_producers.context import context_distinct_id
from loopin_producers.django.after_commit import capture_after_commit
from loopin_producers.django.conf import MIDDLEWARE
from loopin_producers.guard import Guard
from loopin_schemas import InvalidEvent
from loopin_schemas.validation import check_event_name

M = TypeVar("M", bound=Model)

logger = logging.getLogger("loopin_producers")
_guard = Guard("A tracked model's event was not captured.")


@dataclass(frozen=True)
class Tracking(Generic[M]):
    """What ``track`` was told; see there."""

    model: type[M]
    created: str | None
    updated: str | None
    deleted: str | None
    properties: Sequence[str]
    distinct_id: str | Callable[[M], object] | None
    groups: Mapping[str, str] | Callable[[M], Mapping[str, str]] | None
    when: Callable[[M], bool] | None

    @cached_property
    def _owners(self) -> list[str]:
        """The columns that hold a user."""
        return _owners(self.model)

    def faults(self) -> Iterator[str]:
        """What is wrong with it, each in one sentence that says what to do."""
        named = f"track({self.model.__name__})"
        if self.model._meta.abstract:
            yield f"{named}: track the models that inherit from it, an abstract one is never saved."
        if not (self.created or self.updated or self.deleted):
            yield f"{named}: name an event with created=, updated= or deleted=."
        for event in filter(None, (self.created, self.updated, self.deleted)):
            try:
                check_event_name(event)
            except InvalidEvent as error:
                yield f"{named}: {error.reason}"
        if isinstance(self.properties, str):
            yield f"{named}: give the properties as a tuple of field names."
            return
        if self.distinct_id is None and len(self._owners) > 1:
            yield f"{named}: say whose event it is with distinct_id=, one of {', '.join(self._owners)}."
        if self.distinct_id is None and not self._owners and MIDDLEWARE not in settings.MIDDLEWARE:
            yield (
                f"{named}: say whose event it is with distinct_id=; the model has no foreign key to "
                f"{settings.AUTH_USER_MODEL}, and without {MIDDLEWARE!r} in MIDDLEWARE nobody knows a "
                "request's user."
            )
        for field in self._named_fields():
            if field not in _attributes(self.model):
                yield f"{named}: {field!r} is no column of the model; use one of {_names(self.model)}."

    def _named_fields(self) -> Iterator[str]:
        yield from self.properties
        if isinstance(self.distinct_id, str):
            yield self.distinct_id
        if isinstance(self.groups, Mapping):
            yield from self.groups.values()

    def connect(self) -> None:
        """Listen to the model's signals."""
        if self.created or self.updated:
            post_save.connect(self._saved, sender=self.model, weak=False)
        if self.deleted:
            post_delete.connect(self._deleted, sender=self.model, weak=False)

    def disconnect(self) -> None:
        """Listen no longer."""
        post_save.disconnect(self._saved, sender=self.model)
        post_delete.disconnect(self._deleted, sender=self.model)

    def _saved(self, *, instance: M, created: bool, raw: bool, using: str, **_: Any) -> None:
        event = self.created if created else self.updated
        if event and not raw:
            self._capture(event, instance, using)

    def _deleted(self, *, instance: M, using: str, **_: Any) -> None:
        if self.deleted:
            self._capture(self.deleted, instance, using)

    def _capture(self, event: str, instance: M, using: str) -> None:
        with _guard:
            if self.when is not None and not self.when(instance):
                return
            user = self._user(instance)
            if user is None:
                return
            values = ((name, _value(instance, name)) for name in self.properties)
            capture_after_commit(
                event,
                user,
                {name: value for name, value in values if value is not None},
                groups=self._groups(instance),
                using=using,
            )

    def _user(self, instance: M) -> str | None:
        """None for a row that is nobody's, such as one whose user is NULL."""
        named = self.distinct_id
        if named is None:
            if not self._owners:
                return context_distinct_id()
            named = self._owners[0]
        found = _value(instance, named) if isinstance(named, str) else named(instance)
        return None if found is None else str(found)

    def _groups(self, instance: M) -> Mapping[str, str] | None:
        if self.groups is None or callable(self.groups):
            return self.groups(instance) if self.groups else None
        keys = {kind: _value(instance, field) for kind, field in self.groups.items()}
        return {kind: str(key) for kind, key in keys.items() if key is not None}


TRACKINGS: list[Tracking[Any]] = []
"""All that were declared, for the system check."""


def track(
    model: type[M],
    *,
    created: str | None = None,
    updated: str | None = None,
    deleted: str | None = None,
    properties: Sequence[str] = (),
    distinct_id: str | Callable[[M], object] | None = None,
    groups: Mapping[str, str] | Callable[[M], Mapping[str, str]] | None = None,
    when: Callable[[M], bool] | None = None,
) -> None:
    """Capture an event when an instance has been created, updated or deleted, and that was committed.

    A declaration with a fault is not followed: it is logged, and ``manage.py check`` reports it.

    Args:
        model: saved by its own class; proxies and children are tracked by themselves.
        created: name of the event for a new row; likewise ``updated`` (at each save) and ``deleted``.
        properties: columns whose values the event has under the same names; NULL is left out. A foreign key
            gives the other's key: nothing is read from the database.
        distinct_id: the column that holds the user, or a function of the instance; by default the model's one
            foreign key to the user model (of users themselves their key), and the context's user, such as the
            request's, where it has none. An instance that is nobody's is not captured.
        groups: group type to the column with its key, or a function of the instance.
        when: whether this instance counts.
    """
    tracking = Tracking(model, created, updated, deleted, properties, distinct_id, groups, when)
    TRACKINGS.append(tracking)
    if found := list(tracking.faults()):
        logger.error("%s", " ".join(found))
        return
    tracking.connect()


def _owners(model: type[Model]) -> list[str]:
    """Columns of a model that hold a user's primary key."""
    if _is_user(model):
        return ["pk"]
    fields = [field for field in model._meta.concrete_fields if isinstance(field, ForeignKey)]
    return [
        field.attname
        for field in fields
        if _is_user(field.remote_field.model) and field.target_field.primary_key
    ]


def _is_user(model: Any) -> bool:
    """Whether a model, or a proxy of it, is the user model; a name is that of a model to come."""
    label = model if isinstance(model, str) else model._meta.concrete_model._meta.label
    return bool(label.lower() == settings.AUTH_USER_MODEL.lower())


@cache
def _attributes(model: type[Model]) -> dict[str, Field[Any, Any]]:
    """The columns by the names that they may be called."""
    fields: list[Field[Any, Any]] = list(model._meta.concrete_fields)
    named = {name: field for field in fields for name in (field.name, field.attname)}
    return {**named, "pk": model._meta.pk} if model._meta.pk is not None else named


def _names(model: type[Model]) -> str:
    return ", ".join(sorted(field.attname for field in model._meta.concrete_fields))


def _value(instance: Model, name: str) -> Any:
    """A column's value, of the column's type: a form's text stands for a number until the row is read.

    A file's is its name, as the column holds it, and None where there is no file. A deferred column is not
    fetched for this, and what the database is to compute is not known.
    """
    field = _attributes(type(instance))[name]
    value = instance.__dict__.get(field.attname)
    if hasattr(value, "resolve_expression"):
        return None
    return getattr(value, "name", value) or None if isinstance(field, FileField) else field.to_python(value)
