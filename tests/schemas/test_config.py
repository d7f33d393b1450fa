"""What a record of ``config`` may hold, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.codec import encode
from loopin_schemas.config import KIND_OF, KINDS, ApiKey, config_key, decode_config

KEY: dict[str, Any] = {
    "project": "shop",
    "kind": "personal",
    "scopes": ["read", "write"],
    "sha256": "ab" * 32,
    "last4": "wxyz",
    "created_at": 1_700_000_000_000,
    "created_by": "root",
}
RECORD: dict[str, Any] = {"kind": "api_key", "id": "k1", "version": "v1", "by": "root", "body": KEY}


def decoded(record: Any, key: bytes = b"api_key:k1") -> Any:
    return decode_config(key, json.dumps(record).encode())


def with_key(**changed: Any) -> dict[str, Any]:
    return {**RECORD, "body": {**KEY, **changed}}


def test_a_key_comes_back_as_it_was_written() -> None:
    record, body = decoded(RECORD)

    assert (record.kind, record.id, record.version, record.by) == ("api_key", "k1", "v1", "root")
    assert json.loads(encode(body)) == KEY
    full = with_key(name="desk", expires_at=1_800_000_000_000, revoked_at=0)
    assert json.loads(encode(decoded(full)[1])) == full["body"]


def test_a_write_key_sends_events_and_does_nothing_else() -> None:
    body = decoded(with_key(kind="write", scopes=["ingest"]))[1]
    assert body.scopes == ("ingest",)
    for scopes in (["read"], ["ingest", "read"], ["admin"], ["ingest", "ingest"]):
        with pytest.raises(ValueError, match="ingest only"):
            decoded(with_key(kind="write", scopes=scopes))


@pytest.mark.parametrize(
    "changed",
    [
        {"project": "a b"},
        {"project": "shop\n"},
        {"project": ""},
        {"kind": "root"},
        {"scopes": []},
        {"scopes": ["read", "root"]},
        {"sha256": "AB" * 32},
        {"sha256": "ab" * 32 + "\n"},
        {"sha256": "clear text"},
        {"last4": "longer"},
        {"created_at": -1},
        {"expires_at": 10**15},
        {"expires_at": "soon"},
        {"revoked_at": True},
        {"name": "x" * 201},
    ],
)
def test_a_key_with_a_fault_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="."):
        decoded(with_key(**changed))


@pytest.mark.parametrize("field", [name for name in KEY if name != "name"])
def test_a_key_without_a_field_is_refused(field: str) -> None:
    body = {name: value for name, value in KEY.items() if name != field}
    with pytest.raises(ValueError, match=field):
        decoded({**RECORD, "body": body})


def test_a_record_under_another_key_is_refused() -> None:
    for key in (b"api_key:k2", b"other:k1", b"", b"\xff"):
        with pytest.raises(ValueError, match="its key is not"):
            decoded(RECORD, key)


def test_a_kind_of_a_newer_release_is_left_alone() -> None:
    record, body = decoded({**RECORD, "kind": "sundial", "body": {"any": ["thing"]}}, b"sundial:k1")
    assert (record.kind, body) == ("sundial", None)


@given(
    st.binary() | st.recursive(st.none() | st.text(), st.lists).map(lambda value: json.dumps(value).encode())
)
def test_whatever_stands_there_is_refused_in_one_way(value: bytes) -> None:
    with pytest.raises(ValueError, match="."):
        decode_config(b"api_key:k1", value)


def test_what_is_nested_without_end_is_refused() -> None:
    deep = b'{"kind":"api_key","id":"k1","version":"v","by":"","body":' + b"[" * 100_000
    with pytest.raises((ValueError, RecursionError)):
        decode_config(b"api_key:k1", deep)


def test_every_kind_has_one_type() -> None:
    assert {KIND_OF[body]: body for body in KINDS.values()} == dict(KINDS)
    assert KINDS["api_key"] is ApiKey
    assert config_key("api_key", "k:1") == b"api_key:k:1"
