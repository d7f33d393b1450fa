"""Records that failed, as they go to ``events.dlq``."""

from __future__ import annotations

from typing import Any

import msgspec

from loopin_schemas.catalogue import by_name
from loopin_schemas.codec import decode, encode
from loopin_schemas.dead_letter import MAX_BODY_BYTES, MAX_KEY_BYTES, DeadLetter, fingerprint
from loopin_schemas.errors import InvalidEvent
from loopin_schemas.validation import check_project
from loopin_streams.enrich.draft import Dlq, Draft, Origin


def dead_letter(draft: Draft, outcome: Dlq, origin: Origin, project: str | None) -> DeadLetter:
    """The record as it goes to ``events.dlq``: its bytes without private text, cut at 256 KB."""
    record = draft.record
    body = record.value or b""
    kept = _without_private_text(body)
    return DeadLetter(
        reason=outcome.reason,
        field=outcome.field,
        step=draft.step,
        message=outcome.message,
        topic=origin.topic,
        topic_id=origin.topic_id,
        partition=origin.partition,
        offset=record.offset,
        first_seen=record.timestamp,
        last_seen=record.timestamp,
        size=len(body),
        sha256=fingerprint(body),
        body=kept[:MAX_BODY_BYTES],
        key=record.key[:MAX_KEY_BYTES] if record.key is not None else None,
        project=project,
        scrubbed=kept is not body,
    )


def _without_private_text(body: bytes) -> bytes:
    """The body without what the catalogue says is never stored, as far as it can be read as an event."""
    try:
        event = decode(body, dict[str, Any])
    except (ValueError, RecursionError):
        return body
    name, properties = event.get("event"), event.get("properties")
    known = by_name(name) if isinstance(name, str) else None
    if known is None or not isinstance(properties, dict) or properties.keys().isdisjoint(known.private):
        return body
    left = {key: value for key, value in properties.items() if key not in known.private}
    return encode(event | {"properties": left})


class _Project(msgspec.Struct):
    project: str


def project_of(draft: Draft) -> str | None:
    """The record's project; a body that is no event may still say whose it is."""
    event = getattr(draft, "event", None)
    if event is not None:
        return event.project if valid_project(event.project) else None
    body = draft.record.value or b""
    try:
        project = decode(body[:MAX_BODY_BYTES], _Project).project
    except (ValueError, RecursionError):
        return None
    return project if valid_project(project) else None


def valid_project(project: str) -> bool:
    """Whether the text can be a project's name."""
    try:
        check_project(project)
    except InvalidEvent:
        return False
    return True
