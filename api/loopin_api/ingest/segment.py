"""Segment's messages, which RudderStack's are too, as events of ours.

A message's properties win over what its context says, and what it says of itself over the connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import Raw

from loopin_api.ingest.claims import ANONYMOUS, Claim, Note, identity, usable_time
from loopin_api.ingest.client_side import Connection
from loopin_api.ingest.incoming import as_object, as_text, decode_one
from loopin_api.ingest.segment_context import context_properties
from loopin_schemas import Event, InvalidEvent, encode
from loopin_schemas.catalogue import translate

MAX_MESSAGE_BYTES: Final = 32 * 1024
"""Segment's own limit of one message."""

GROUP_TYPE: Final = "group"
"""Segment knows one kind of groups."""

_decoder: Final = msgspec.json.Decoder(dict[str, Any])

Said = Mapping[str, Any]
Named = tuple[str, dict[str, Any]]
"""An event's name and its own properties."""

_PAGE: Final = {"url": "$current_url", "path": "$pathname", "referrer": "$referrer"}


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the messages of one request, all of the type ``kind`` unless they name their own.

    ``context`` is what surrounded all of them, an encoded object; what a message says itself wins.
    """

    project: str
    client: Connection
    sent_at: str | int | float | None = None
    kind: str | None = None
    context: Raw | None = None

    def claim(self, raw: Raw) -> Claim:
        """One message.

        Raises:
            InvalidEvent: it has not the form of one.
        """
        shared = 0 if self.context is None else len(memoryview(self.context))
        if len(memoryview(raw)) + shared > MAX_MESSAGE_BYTES:
            reason = f"Send messages of at most {MAX_MESSAGE_BYTES} bytes, with the context of their batch."
            raise InvalidEvent("too_large", None, reason)
        said = decode_one(_decoder, raw)
        context = {**self._shared_context(), **as_object(said.get("context"), "context")}
        name, own = _mapping_of(self.kind or said.get("type"))(said, context)
        notes: list[Note] = []
        message_id = as_text(said.get("messageId"))
        properties = {**context_properties(context), **own}
        uuid = identity(self.project, message_id, notes)
        if notes:
            properties["$message_id"] = message_id
        if said.get("userId") is not None and said.get("anonymousId") is not None:
            properties.setdefault("$anonymous_id", said["anonymousId"])
        if not as_text(said.get("userId")):
            properties.setdefault(*ANONYMOUS)
        properties.update(self.client.properties(properties.get("$lib"), properties))
        event = Event(
            project=self.project,
            event=name,
            distinct_id=_distinct_id(said),
            uuid=uuid,
            timestamp=self._time(said, notes),
            sent_at=self._sent_at(said),
            session_id=as_text(properties.get("$session_id")),
            properties=Raw(encode(properties)),
        )
        # An id that is no UUID is ordinary here, so it is no reason to warn.
        return Claim(event, [note for note in notes if note.code != "uuid_invalid"])

    def _shared_context(self) -> dict[str, Any]:
        """The batch's; one that is no object costs no message."""
        if self.context is None:
            return {}
        try:
            return _decoder.decode(self.context)
        except (ValueError, RecursionError):
            return {}

    @staticmethod
    def _time(said: Said, notes: list[Note]) -> int | None:
        given = said.get("originalTimestamp") or said.get("timestamp")
        return usable_time(given if isinstance(given, str | int | float) else None, "timestamp", notes)

    def _sent_at(self, said: Said) -> str | int | float | None:
        own = said.get("sentAt")
        return own if isinstance(own, str | int | float) and not isinstance(own, bool) else self.sent_at


def _track(said: Said, context: Said) -> Named:
    name = said.get("event")
    if not isinstance(name, str):
        raise InvalidEvent("missing_field", "event", "The field event is missing; add it.")
    name, properties = translate(name, as_object(said.get("properties"), "properties"), "segment")
    group = as_text(context.get("groupId"))
    if group is not None:
        properties.setdefault("$groups", {GROUP_TYPE: group})
    return name, properties


def _identify(said: Said, context: Said) -> Named:
    """Without a user nobody is identified: the traits of somebody anonymous are set."""
    traits = {**as_object(context.get("traits"), "context.traits"), **as_object(said.get("traits"), "traits")}
    user, anonymous = as_text(said.get("userId")), as_text(said.get("anonymousId"))
    if not user:
        return "$set", {"$set": traits}
    linked = {"$anon_distinct_id": anonymous} if anonymous and anonymous != user else {}
    return "$identify", {"$set": traits, **linked}


def _page(said: Said, _: Said) -> Named:
    properties = as_object(said.get("properties"), "properties")
    renamed = {_PAGE.get(name, name): value for name, value in properties.items()}
    return "$pageview", {**renamed, **_parts(said, "name", "category")}


def _screen(said: Said, _: Said) -> Named:
    own = as_object(said.get("properties"), "properties")
    name = {} if said.get("name") is None else {"$screen_name": said["name"]}
    return "$screen", {**own, **name, **_parts(said, "category")}


def _group(said: Said, _: Said) -> Named:
    group = as_text(said.get("groupId"))
    if not group:
        raise InvalidEvent("missing_field", "groupId", "The field groupId is missing; add it.")
    traits = as_object(said.get("traits"), "traits")
    return "$groupidentify", {"$group_type": GROUP_TYPE, "$group_key": group, "$group_set": traits}


def _alias(said: Said, _: Said) -> Named:
    previous = as_text(said.get("previousId"))
    if not previous:
        raise InvalidEvent("missing_field", "previousId", "The field previousId is missing; add it.")
    return "$create_alias", {"alias": previous}


KINDS: Final[Mapping[str, Callable[[Said, Said], Named]]] = {
    "track": _track,
    "identify": _identify,
    "page": _page,
    "screen": _screen,
    "group": _group,
    "alias": _alias,
}


def _mapping_of(kind: object) -> Callable[[Said, Said], Named]:
    mapping = KINDS.get(kind) if isinstance(kind, str) else None
    if mapping is None:
        raise InvalidEvent("wrong_value", "type", f"The type is unknown; use one of {', '.join(KINDS)}.")
    return mapping


def _parts(said: Said, *names: str) -> dict[str, Any]:
    return {name: said[name] for name in names if said.get(name) is not None}


def _distinct_id(said: Said) -> str:
    found = as_text(said.get("userId")) or as_text(said.get("anonymousId"))
    if not found:
        raise InvalidEvent("missing_field", "userId", "Name the userId or the anonymousId.")
    return found
