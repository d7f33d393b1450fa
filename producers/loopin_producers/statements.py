"""What is said of persons and groups: PostHog's calls beside ``capture``, which publishes them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

from loopin_producers import context
from loopin_producers.errors import HookFailed, LoopinError
from loopin_producers.event_builder import check_mapping
from loopin_producers.filters import Filters
from loopin_producers.ids import Id, checked_id, checked_key
from loopin_schemas import InvalidEvent

Method = TypeVar("Method", bound=Callable[..., str | None])


def _reported(method: Method) -> Method:
    """Report and drop what the data of a call makes impossible; what its code does wrong is raised."""

    @wraps(method)
    def capturing(self: Statements, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except HookFailed as error:
            self._count_dropped(error)
        except InvalidEvent as error:
            self._refuse(error)
        return None

    return cast(Method, capturing)


class Statements(ABC):
    """The calls, for a client that captures and reports what it drops."""

    _filters: Filters

    @abstractmethod
    def capture(self, *args: Any, **kwargs: Any) -> str | None:
        """Queue an event and return its uuid, or None."""

    @abstractmethod
    def _refuse(self, error: InvalidEvent) -> None: ...

    @abstractmethod
    def _count_dropped(self, error: LoopinError) -> None: ...

    @_reported
    def identify(
        self,
        distinct_id: Id | None,
        properties: Mapping[str, Any] | None = None,
        *,
        anonymous_id: Id | None = None,
        **options: Any,
    ) -> str | None:
        """Set a user's person properties: an ``$identify`` event with ``$set``.

        ``anonymous_id`` is the id that the user had before; the two become one person. Other options are
        those of ``capture``.
        """
        set_ = {} if properties is None else properties
        check_mapping(set_, "properties")
        known = {}
        if anonymous_id is not None:
            known["$anon_distinct_id"] = former = checked_id(anonymous_id, "anonymous_id")
            if self._filters.opted_out(former):
                return None
        return self.capture("$identify", _known(distinct_id), {**known, "$set": set_}, **options)

    @_reported
    def alias(self, previous_id: Id | None, distinct_id: Id | None, **options: Any) -> str | None:
        """Say that both ids are one person, a ``$create_alias`` event. Options are those of ``capture``."""
        former = checked_id(previous_id, "previous_id")
        if self._filters.opted_out(former):
            return None
        return self.capture("$create_alias", _known(distinct_id), {"alias": former}, **options)

    @_reported
    def set(self, distinct_id: Id | None, properties: Mapping[str, Any], **options: Any) -> str | None:
        """Set person properties; the newest by event time counts. Options are those of ``capture``."""
        check_mapping(properties, "properties")
        return self.capture("$set", _known(distinct_id), {"$set": properties}, **options)

    @_reported
    def set_once(self, distinct_id: Id | None, properties: Mapping[str, Any], **options: Any) -> str | None:
        """Set person properties that the person does not have. Options are those of ``capture``."""
        check_mapping(properties, "properties")
        return self.capture("$set", _known(distinct_id), {"$set_once": properties}, **options)

    @_reported
    def group_identify(
        self,
        group_type: str,
        group_key: Id | None,
        properties: Mapping[str, Any] | None = None,
        *,
        distinct_id: Id | None = None,
        **options: Any,
    ) -> str | None:
        """Set properties of a group, such as a company. Options are those of ``capture``."""
        kind = checked_key(group_type, "group_type")
        set_ = {} if properties is None else properties
        check_mapping(set_, "properties")
        key = checked_key(group_key, "group_key")
        group = {"$group_type": kind, "$group_key": key, "$group_set": set_}
        if distinct_id is None:
            distinct_id = context.context_distinct_id() or f"${kind}_{key}"
        return self.capture("$groupidentify", distinct_id, group, **options)

    def reset(self) -> None:
        """Forget the current context's user, session and tags."""
        context.reset_context()


def _known(distinct_id: Id | None) -> Id:
    """The user whom a statement is about, by default the context's. Raises InvalidEvent: there is none."""
    found = context.context_distinct_id() if distinct_id is None else distinct_id
    if found is None:
        raise InvalidEvent(
            "missing_field",
            "distinct_id",
            "Give the distinct_id: outside a context nobody else says who it is.",
        )
    return found
