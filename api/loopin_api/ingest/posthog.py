"""PostHog's events as ours: names and properties stay, what stands beside them goes among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import Raw

from loopin_api.ingest import exceptions
from loopin_api.ingest.claims import Claim, Note, identity, usable_time
from loopin_api.ingest.client_side import Connection
from loopin_api.ingest.incoming import as_object, as_text, decode_one
from loopin_api.ingest.posthog_kept import as_posthog_keeps
from loopin_schemas import Event, InvalidEvent, encode
from loopin_schemas.validation import MAX_EVENT_BYTES

MAX_EXCEPTION_BYTES: Final = 1 << 20
"""Longest event that is read, because exceptions are cut to fit; PostHog's own limit."""

_LIST: Final = exceptions.LIST.encode()

_decoder: Final = msgspec.json.Decoder(dict[str, Any])

_FOLDED: Final = ("$set", "$set_once", "$unset", "$groups")
"""Fields beside the properties that stand among them nowadays."""

_OPTIONS: Final = {
    "cookieless_mode": "$cookieless_mode",
    "disable_skew_correction": "$ignore_sent_at",
    "product_tour_id": "$product_tour_id",
    "process_person_profile": "$process_person_profile",
}
"""Version 1 moves these properties to ``options``; here they stand where version 0 has them."""

_SESSION: Final = {"session_id": "$session_id", "window_id": "$window_id"}


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the events of one request.

    ``sent_at`` is what the request says of its sending, None where nothing is to be corrected by it;
    ``library`` the name and version that version 1 sends in a header. ``keyed_by_event`` says that ``key``
    was found in an event, so that all must have the same, and ``mending`` that what PostHog's version 0
    mends is mended here too, because its clients read no receipts.
    """

    project: str
    key: str
    client: Connection
    now_ms: int
    sent_at: str | int | float | None = None
    skewed: bool = True
    library: tuple[str, str] | None = None
    keyed_by_event: bool = False
    mending: bool = False

    def claim(self, raw: Raw) -> Claim:
        """One event.

        Raises:
            InvalidEvent: it has not the form of one, or is another project's.
        """
        said = decode_one(_decoder, raw, _limit(raw))
        notes: list[Note] = []
        if self.mending:
            said = as_posthog_keeps(said, raw, notes)
        properties = _properties(said)
        self._check_key(said, properties)
        event = Event(
            project=self.project,
            event=_name(said),
            distinct_id=_distinct_id(said, properties),
            uuid=identity(self.project, as_text(said.get("uuid") or properties.get("$uuid")), notes),
            timestamp=self._time(said, notes),
            sent_at=self._sent_at(said, properties),
        )
        self._complete(properties)
        event.properties = Raw(encode(properties))
        return Claim(event, notes)

    def _check_key(self, said: dict[str, Any], properties: dict[str, Any]) -> None:
        """The key is taken out of the event; another one would put it into another project.

        Properties called so are the program's own where the request has a key of its own.
        """
        own = said.get("api_key") or said.get("token") or said.get("$token")
        if self.keyed_by_event:
            own = own or properties.get("token") or properties.get("api_key")
        own = own or self.key
        for name in ("token", "api_key"):
            if properties.get(name) == self.key:
                del properties[name]
        if own != self.key:
            raise InvalidEvent(
                "other_project", "token", "The event has another key than its request; send it by itself."
            )

    def _time(self, said: dict[str, Any], notes: list[Note]) -> int | None:
        """When it happened: by its own time, or so many ms before it was received."""
        timestamp, offset = said.get("timestamp"), said.get("offset")
        if timestamp is None and isinstance(offset, int | float) and 0 <= offset < self.now_ms:
            return self.now_ms - int(offset)
        return usable_time(_scalar(timestamp), "timestamp", notes)

    def _sent_at(self, said: dict[str, Any], properties: dict[str, Any]) -> str | int | float | None:
        if not self.skewed or properties.get("$ignore_sent_at") is True or said.get("timestamp") is None:
            return None
        sent_at = _scalar(said.get("sent_at"))
        return self.sent_at if sent_at is None else sent_at

    def _complete(self, properties: dict[str, Any]) -> None:
        if self.library is not None:
            for name, value in zip(("$lib", "$lib_version"), self.library, strict=True):
                properties.setdefault(name, value)
        properties.update(self.client.properties(properties.get("$lib"), properties))


def library_of(sdk_info: str) -> tuple[str, str]:
    """Name and version in the header ``PostHog-Sdk-Info``, e.g. ``posthog-python/7.1.0``."""
    name, _, version = sdk_info.strip()[:200].partition("/")
    return name, version


def _limit(raw: Raw) -> int:
    """The most bytes of an event: an exception may have more than others."""
    if MAX_EVENT_BYTES < len(memoryview(raw)) <= MAX_EXCEPTION_BYTES and _LIST in bytes(raw):
        return MAX_EXCEPTION_BYTES
    return MAX_EVENT_BYTES


def _properties(said: dict[str, Any]) -> dict[str, Any]:
    properties = as_object(said.get("properties"), "properties")
    for name in _FOLDED:
        beside = said.get(name)
        within = properties.get(name)
        if isinstance(beside, dict) and isinstance(within, dict):
            properties[name] = {**beside, **within}
        elif beside is not None and within is None:
            properties[name] = beside
    for names, source in ((_OPTIONS, said.get("options")), (_SESSION, said)):
        if isinstance(source, dict):
            for theirs, ours in names.items():
                if source.get(theirs) is not None:
                    properties.setdefault(ours, source[theirs])
    return properties


def _name(said: dict[str, Any]) -> str:
    name = said.get("event")
    if name is None:
        raise InvalidEvent("missing_field", "event", "The field event is missing; add it.")
    if not isinstance(name, str):
        raise InvalidEvent("wrong_type", "event", "The event has the wrong type; send text.")
    return name


def _distinct_id(said: dict[str, Any], properties: dict[str, Any]) -> str:
    for source in (said, properties):
        for name in ("distinct_id", "$distinct_id"):
            if (found := as_text(source.get(name))) is not None:
                return found
    raise InvalidEvent("missing_field", "distinct_id", "The field distinct_id is missing; add it.")


def _scalar(value: object) -> str | int | float | None:
    """What may be a time; anything else is named as what it is not by the reader of times."""
    if value is None or isinstance(value, str):
        return value
    return value if isinstance(value, int | float) and not isinstance(value, bool) else str(type(value))
