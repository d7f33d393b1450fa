"""Records of ``config`` and what they are written from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from loopin_schemas.config import ApiKey


@dataclass(frozen=True)
class Record:
    """A record as a consumer gives it."""

    key: bytes | None
    value: bytes | None
    offset: int = 0
    timestamp: int = 0


def api_key(name: str = "desk", **changed: Any) -> ApiKey:
    """A valid body."""
    given: dict[str, Any] = {
        "project": "shop",
        "kind": "personal",
        "scopes": ("read",),
        "sha256": "0" * 64,
        "last4": "wxyz",
        "created_at": 1_700_000_000_000,
        "created_by": "root",
        "name": name,
    }
    return ApiKey(**{**given, **changed})


def record(id: str, version: str, offset: int = 0, **changed: Any) -> Record:
    """A record of a key, in plain JSON."""
    body = {
        "project": "shop",
        "kind": "personal",
        "scopes": ["read"],
        "sha256": "0" * 64,
        "last4": "wxyz",
        "created_at": 1_700_000_000_000,
        "created_by": "root",
        **changed,
    }
    value = {"kind": "api_key", "id": id, "version": version, "by": "root", "body": body}
    return Record(f"api_key:{id}".encode(), json.dumps(value).encode(), offset)


def removal(id: str, offset: int = 0) -> Record:
    """The record that removes a key."""
    return Record(f"api_key:{id}".encode(), None, offset)
