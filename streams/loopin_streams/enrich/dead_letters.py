"""Records that failed, as they go to ``events.dlq``."""

from __future__ import annotations

import msgspec

from loopin_schemas.codec import decode
from loopin_schemas.dead_letter import MAX_BODY_BYTES, MAX_KEY_BYTES, DeadLetter, fingerprint
from loopin_schemas.errors import InvalidEvent
from loopin_schemas.validation import check_project
from loopin_streams.enrich.body_privacy import BodyPrivacy
from loopin_streams.enrich.draft import Dlq, Draft, Origin


def dead_letter(
    draft: Draft, outcome: Dlq, origin: Origin, project: str | None, privacy: BodyPrivacy
) -> DeadLetter:
    """The record as it goes to ``events.dlq``: its bytes without what is never stored, cut at 256 KB."""
    record = draft.record
    body = record.value or b""
    kept = privacy.apply(body)
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
        # A mark may be longer than what it stands for: such a body is whole all the same.
        body=kept if len(body) <= MAX_BODY_BYTES else kept[:MAX_BODY_BYTES],
        key=record.key[:MAX_KEY_BYTES] if record.key is not None else None,
        project=project,
        scrubbed=kept is not body,
    )


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
