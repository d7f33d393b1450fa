"""Events of accounts from Django's own signals: signing up, in and out, refusals, changed profiles.

No value of a user's field leaves the process, and of a password not even that it changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models import Model
from django.db.models.signals import post_init, post_save
from django.http import HttpRequest

from loopin_producers.context import context_distinct_id
from loopin_producers.django.after_commit import capture_after_commit
from loopin_producers.django.client import get_client
from loopin_producers.django.conf import config
from loopin_producers.django.identity import primary_key
from loopin_producers.django.joined import at_sign_in, at_sign_out, secret
from loopin_producers.guard import Guard
from loopin_producers.visitor import keyed_hash

UNTOLD = frozenset({"password", "last_login"})
"""Fields of which nothing is told: a secret, and what Django writes at each login."""

_SEEN = "_loopin_seen"
"""Name under which an instance's state keeps the fields as the database has them."""

_UID = "loopin_producers.django.signals"
_guard = Guard("A signal's event was not captured.")


def connect() -> None:
    """Listen to the signals; a second call does nothing."""
    user = get_user_model()
    user_logged_in.connect(_logged_in, dispatch_uid=_UID)
    user_logged_out.connect(_logged_out, dispatch_uid=_UID)
    user_login_failed.connect(_login_failed, dispatch_uid=_UID)
    post_init.connect(_remember, sender=user, dispatch_uid=_UID)
    post_save.connect(_saved, sender=user, dispatch_uid=_UID)


def _logged_in(*, request: HttpRequest | None, user: Any, **_: Any) -> None:
    with _guard:
        if (key := primary_key(user)) is None:
            return
        before = None if request is None else at_sign_in(request, config(), key)
        # What the visitor did before counts for the user from now on. Where nothing is known of one, too: it
        # makes the user an identified one, whom nobody else's sign-in can take over.
        known = {} if before is None else {"$anon_distinct_id": before}
        capture_after_commit("$identify", key, known, using=_database(user))
        capture_after_commit("user_logged_in", key, {}, using=_database(user))


def _logged_out(*, request: HttpRequest | None, user: Any, **_: Any) -> None:
    with _guard:
        if (key := primary_key(user)) is not None:
            if request is not None:
                at_sign_out(request, config(), key)
            capture_after_commit("user_logged_out", key, {}, using=_database(user))


def _login_failed(*, credentials: Mapping[str, Any], **_: Any) -> None:
    """Not after the commit: that the attempt was made stays true if its transaction is rolled back."""
    with _guard:
        name = credentials.get(_name_field(), credentials.get("username"))
        hashed = None if name is None else keyed_hash(secret(), str(name), b"loopin-user-name")
        told: dict[str, Any] = {"reason": "invalid_credentials", "username_hash": hashed}
        who = context_distinct_id()
        if who is None and hashed and config().track_anonymous:
            who, told["$is_identified"] = f"login-{hashed}", False
        if who is not None:
            get_client().capture("login_failed", who, told, source="signal")


def _name_field() -> str:
    return str(getattr(get_user_model(), "USERNAME_FIELD", "username"))


def _remember(*, instance: Model, **_: Any) -> None:
    with _guard:
        instance._state.__dict__[_SEEN] = _fields(instance)


def _saved(
    *,
    instance: Model,
    created: bool,
    raw: bool,
    using: str,
    update_fields: Iterable[str] | None,
    **_: Any,
) -> None:
    with _guard:
        before = instance._state.__dict__.get(_SEEN, {})
        after = _fields(instance) if update_fields is None else _fields(instance, frozenset(update_fields))
        changed = sorted(name for name, value in after.items() if name in before and before[name] != value)
        instance._state.__dict__[_SEEN] = {**before, **after}
        if raw:
            return  # a fixture is loaded: nobody signs up or changes anything
        if created:
            capture_after_commit("user_signed_up", str(instance.pk), {}, using=using)
        elif changed:
            capture_after_commit("profile_updated", str(instance.pk), {"changed": changed}, using=using)


def _fields(instance: Model, only: frozenset[str] | None = None) -> dict[str, Any]:
    """Values of the loaded fields by name; what may be changed in place as a copy."""
    values = instance.__dict__
    return {
        field.name: _frozen(values[field.attname])
        for field in instance._meta.concrete_fields
        if field.attname in values
        and field.name not in UNTOLD
        and (only is None or field.name in only or field.attname in only)
    }


def _frozen(value: Any) -> Any:
    return deepcopy(value) if isinstance(value, list | dict | set | bytearray) else value


def _database(user: Any) -> str | None:
    state = getattr(user, "_state", None)
    return getattr(state, "db", None)
