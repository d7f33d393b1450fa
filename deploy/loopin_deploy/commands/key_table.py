"""How ``loopin keys`` shows keys: to a person and to a program."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.table import Column, Table

from loopin_deploy.screen import verbatim
from loopin_schemas.config import ApiKey
from loopin_schemas.timestamps import to_iso
from loopin_streams.kafka.config_state import Item


def key_table(found: Iterable[Item[ApiKey]], now_ms: int) -> Table:
    """The keys, one a row."""
    table = Table(
        Column("id", no_wrap=True),
        Column("project", overflow="fold"),
        "kind",
        Column("name", overflow="fold"),
        "scopes",
        "ends in",
        Column("made", overflow="fold"),
        Column("state", overflow="fold"),
    )
    for item in found:
        key = item.body
        table.add_row(
            verbatim(item.id),
            verbatim(key.project),
            key.kind,
            verbatim(key.name or "-"),
            shown_scopes(key),
            verbatim(key.last4),
            verbatim(f"{shown_time(key.created_at)} by {key.created_by}"),
            verbatim(_said_state(item, now_ms)),
        )
    return table


def key_facts(item: Item[ApiKey], now_ms: int) -> dict[str, Any]:
    """What a program is told of a key; times are ISO 8601."""
    key = item.body
    return {
        "project": key.project,
        "kind": key.kind,
        "name": key.name,
        "scopes": key.scopes,
        "last4": key.last4,
        "state": _state(key, now_ms),
        "created_at": to_iso(key.created_at),
        "created_by": key.created_by,
        "expires_at": to_iso(key.expires_at) if key.expires_at is not None else None,
        "revoked_at": to_iso(key.revoked_at) if key.revoked_at is not None else None,
        "revoked_by": item.by if key.revoked_at is not None else None,
    }


def _state(key: ApiKey, now_ms: int) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now_ms else "valid"


def _said_state(item: Item[ApiKey], now_ms: int) -> str:
    key = item.body
    if key.revoked_at is not None:
        return f"revoked {shown_time(key.revoked_at)} by {item.by}"
    if key.expires_at is None:
        return "valid"
    return f"{'expired' if key.expires_at <= now_ms else 'valid until'} {shown_time(key.expires_at)}"


def shown_scopes(key: ApiKey) -> str:
    """The scopes, with commas between."""
    return ", ".join(key.scopes)


def shown_end(key: ApiKey) -> str:
    """Until when the key is valid."""
    return f"valid until {shown_time(key.expires_at)}" if key.expires_at is not None else "without an end"


def shown_time(at_ms: int | None) -> str:
    """A time in UTC, to the second; a dash for none."""
    return to_iso(at_ms)[:19].replace("T", " ") if at_ms is not None else "-"
