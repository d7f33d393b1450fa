"""The bodies that PostHog's clients have sent over the years, down to the texts of their events."""

from __future__ import annotations

from typing import Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec
from msgspec import Raw
from starlette.datastructures import QueryParams

from loopin_api.errors import ApiError
from loopin_api.ingest.bodies import Bodies
from loopin_api.ingest.compression import GZIP_MAGIC
from loopin_api.ingest.incoming import NOTHING, elements, is_array, plain, scan

_FORM: Final = b"data="
_COMPRESSIONS: Final = ("", "gzip", "gzip-js", "base64")


class Batch(NamedTuple):
    """A body's events, the project's key, and what holds for all of them. ``sent_at`` is as it was sent."""

    key: str | None
    events: list[Raw]
    sent_at: str | int | float | None
    historical: bool


class _Envelope(msgspec.Struct):
    """Any top level; an event that stands alone is one too."""

    batch: Raw = NOTHING
    api_key: Raw = NOTHING
    token: Raw = NOTHING
    dollar_token: Raw = msgspec.field(default=NOTHING, name="$token")
    sent_at: Raw = NOTHING
    historical_migration: Raw = NOTHING
    properties: Raw = NOTHING


class _Tokens(msgspec.Struct):
    token: Raw = NOTHING
    api_key: Raw = NOTHING


_envelope: Final = msgspec.json.Decoder(_Envelope)
_tokens: Final = msgspec.json.Decoder(_Tokens)


async def uncoded(body: bytes, form: bool, query: QueryParams, bodies: Bodies) -> bytes:
    """The JSON in a body whose Content-Encoding is off already.

    ``data=`` of a form holds it as base64 (posthog-js's beacons), or compressed, or as it is; the parameter
    ``compression`` names how, and gzip is known by its first bytes too.

    Raises:
        ApiError: 400, 413, or 415 for a compression that is none of PostHog's today.
    """
    compression = query.get("compression", "")
    if compression not in _COMPRESSIONS:
        raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", "Send the compression gzip-js or base64, or none.")
    if form or body.startswith(_FORM):
        body = unquote_to_bytes(body.partition(_FORM)[2].partition(b"&")[0])
        if body.lstrip()[:1] not in (b"{", b"[") and not body.startswith(GZIP_MAGIC):
            compression = "base64"
    if body.startswith(GZIP_MAGIC):
        return await bodies.decompressed(body, "gzip")
    if compression == "base64" and body.lstrip()[:1] not in (b"{", b"["):
        return await bodies.decompressed(body, "base64")
    return body


def batch_of(body: bytes, query: QueryParams) -> Batch:
    """The events of a JSON body: ``{"batch": [...]}``, a list, or one event.

    Raises:
        ApiError: 400 or 413.
    """
    asked = query.get("api_key") or query.get("token")
    sent_at: str | int | float | None = query.get("sent_at") or query.get("_")
    if is_array(body):
        events = elements(body)
        key = asked or next(filter(None, map(key_of, events)), None)
        return Batch(key, events, sent_at, False)
    envelope = scan(_envelope, body)
    key = asked or _key(envelope)
    own = plain(envelope.sent_at)
    sent_at = sent_at if own is None else own
    if bytes(envelope.batch) == b"null":
        return Batch(key or key_of(Raw(body)), [Raw(body)], sent_at, False)
    events = elements(envelope.batch, "batch")
    historical = bytes(envelope.historical_migration) == b"true"
    return Batch(key or next(filter(None, map(key_of, events)), None), events, sent_at, historical)


def key_of(event: Raw) -> str | None:
    """The key that an event carries itself."""
    try:
        envelope = _envelope.decode(event)
        tokens = _tokens.decode(envelope.properties)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return _key(envelope) or _text(tokens.token) or _text(tokens.api_key)


def _key(said: Any) -> str | None:
    return _text(said.api_key) or _text(said.token) or _text(said.dollar_token)


def _text(value: Raw) -> str | None:
    found = plain(value)
    return found if isinstance(found, str) and found else None
