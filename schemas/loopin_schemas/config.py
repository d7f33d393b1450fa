"""What people configure, as records of the topic ``config``: one envelope for all, a body for each kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from msgspec import Meta

from loopin_schemas.alert_rule import Acknowledgement, AlertRule, Silence
from loopin_schemas.codec import decode
from loopin_schemas.corrections import Correction, ErrorGroup
from loopin_schemas.key_format import KeyKind
from loopin_schemas.metrics.custom import CustomMetric
from loopin_schemas.model import ModelPin
from loopin_schemas.names import NAME
from loopin_schemas.project import ProjectSettings
from loopin_schemas.timestamps import Ms
from loopin_schemas.validation import check_project

Scope = Literal["ingest", "read", "write", "admin"]
"""What a caller of the API may do; ``admin`` holds the others."""

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

WRITE_KEY_SCOPES: Final[tuple[Scope, ...]] = ("ingest",)


class ConfigRecord(msgspec.Struct, kw_only=True):
    """One record on ``config``: an item as it is since this record. Its key is ``kind:id``.

    ``version`` is another one in each record, and no other meaning: who replaces an item names the version
    that it has seen. ``by`` says who wrote it, as they call themselves; the record's timestamp says when.
    ``body`` is an object of the kind's own type. A record without a value removes the item.
    """

    kind: Annotated[str, Meta(min_length=1, max_length=40)]
    id: Annotated[str, Meta(min_length=1, max_length=200)]
    version: Annotated[str, Meta(min_length=1, max_length=64)]
    by: Annotated[str, Meta(max_length=200)]
    body: msgspec.Raw


class ApiKey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key of the API, without the key itself: its SHA-256 (hexadecimal) and its last four characters.

    A ``write`` key has the scope ``ingest`` and no other. Times are epoch ms; the key is refused from
    ``expires_at`` on, and for good once ``revoked_at`` is set. ``created_by`` is as people call themselves.
    """

    project: str
    kind: KeyKind
    scopes: Annotated[tuple[Scope, ...], Meta(min_length=1)]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
    last4: Annotated[str, Meta(max_length=4)]
    created_at: Ms
    created_by: Annotated[str, Meta(max_length=200)]
    name: Annotated[str, Meta(max_length=200)] = ""
    expires_at: Ms | None = None
    revoked_at: Ms | None = None

    def __post_init__(self) -> None:
        check_project(self.project)
        if self.kind == "write" and self.scopes != WRITE_KEY_SCOPES:
            raise ValueError("a write key has the scope ingest only")


class TaskSchedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When a task runs, by the schedule's name: the one that it comes with, as changed, or a further one.

    ``crontab`` (five fields, on the clocks of its project, or of all) or ``every_s`` (seconds, counted from
    1970); without either, as the task comes. ``arguments`` are the task's own. What was missed before
    ``since`` (epoch ms: when it was added, changed or resumed) is not made up for.
    """

    task: Annotated[str, Meta(pattern=NAME, max_length=64)]
    crontab: Annotated[str, Meta(min_length=9, max_length=200)] | None = None
    every_s: Annotated[int, Meta(ge=60, le=31 * 86_400)] | None = None
    paused: bool = False
    arguments: dict[str, Any] = {}
    since: Ms = 0

    def __post_init__(self) -> None:
        if self.crontab is not None and self.every_s is not None:
            raise ValueError("a schedule is either a crontab or every so many seconds")


KINDS: Final[Mapping[str, type[msgspec.Struct]]] = {
    "api_key": ApiKey,
    "metric": CustomMetric,
    "alert_rule": AlertRule,
    "silence": Silence,
    "acknowledgement": Acknowledgement,
    "correction": Correction,
    "error_group": ErrorGroup,
    "schedule": TaskSchedule,
    "project": ProjectSettings,
    "model_pin": ModelPin,
}
"""What is configured, by kind; records of other kinds belong to a newer release and are left alone."""

KIND_OF: Final[Mapping[type[msgspec.Struct], str]] = {body: kind for kind, body in KINDS.items()}


def config_key(kind: str, id: str) -> bytes:
    """The key of an item's records."""
    return f"{kind}:{id}".encode("utf-8", "surrogateescape")


def decode_config(key: bytes, value: bytes) -> tuple[ConfigRecord, msgspec.Struct | None]:
    """A record and its body; None for the body of a kind that this release does not know.

    Raises:
        ValueError: it is no such record, its body is not of its kind, or it stands under another key.
        RecursionError: it is nested too deeply.
    """
    record = decode(value, ConfigRecord)
    if config_key(record.kind, record.id) != key:
        raise ValueError("its key is not that of the item in it")
    known = KINDS.get(record.kind)
    return record, decode(bytes(record.body), known) if known is not None else None
