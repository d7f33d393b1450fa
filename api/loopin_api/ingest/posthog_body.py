"""The bodies that PostHog's clients have sent over the years, down to the texts of their events."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec
from msgspec import Raw

from loopin_api.errors import ApiError
from loopin_api.ingest.bodies import Bodies
from loopin_api.ingest.compression import GZIP_MAGIC
from loopin_api.ingest.incoming import NOTHING, elements, is_array, plain, scan

_FORM: Final = b"data="
MAX_FIELDS: Final = 100
"""Most fields of a form that are looked at."""

_COMPRESSIONS: Final = ("", "gzip", "gzip-js", "base64")


class Batch(NamedTuple):
    """A body's events, the project's key, and what holds for all of them.

    ``sent_at`` is as it was sent; ``keyed_by_event`` says that the key is the first that an event has.
    """

    key: str | None
    events: list[Raw]
    sent_at: str | int | float | None
    historical: bool
    keyed_by_event: bool = False


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


class Sent(NamedTuple):
    """A request's JSON, and what its address and its form say beside."""

    body: bytes
    asked: Mapping[str, str]


@asynccontextmanager
async def uncoded(body: bytes, form: bool, query: Mapping[str, str], bodies: Bodies) -> AsyncIterator[Sent]:
    """The JSON in a body whose Content-Encoding is off already; the block is how long it takes up memory.

    The field ``data`` of a form, or of the address, holds it as base64 (posthog-js's beacons), compressed, or
    as it is; the parameter ``compression`` names how, and gzip is known by its first bytes too.

    Raises:
        ApiError: 400, 413, 415 for a compression that is none of PostHog's today, or 503 without room.
    """
    asked: Mapping[str, str] = query
    in_form = (form and not _is_json(body)) or body.startswith(_FORM)
    if in_form:
        fields = _fields(body)
        body = fields.pop("data", b"")
        asked = {**{name: value.decode(errors="replace") for name, value in fields.items()}, **query}
    compression = asked.get("compression", "")
    if compression not in _COMPRESSIONS:
        raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", "Send the compression gzip-js or base64, or none.")
    encoding = None
    if body.startswith(GZIP_MAGIC):
        encoding = "gzip"
    elif (in_form or compression == "base64") and not _is_json(body):
        encoding = "base64"
        # A plus sign is a blank in a form, and there are no blanks in base64.
        body = body.replace(b" ", b"+") if in_form else body
    if encoding is None:
        yield Sent(body, asked)
    else:
        async with bodies.decompressed(body, encoding) as decoded:
            yield Sent(decoded, asked)


def _is_json(body: bytes) -> bool:
    return body[:64].removeprefix(BOM_UTF8).lstrip()[:1] in (b"{", b"[")


def _fields(form: bytes) -> dict[str, bytes]:
    """The fields of a form, undecoded; of one that comes twice the first."""
    fields: dict[str, bytes] = {}
    for part in form.split(b"&", MAX_FIELDS):
        name, _, value = part.replace(b"+", b" ").partition(b"=")
        fields.setdefault(unquote_to_bytes(name).decode(errors="replace"), unquote_to_bytes(value))
    return fields


def batch_of(body: bytes, asked: Mapping[str, str]) -> Batch:
    """The events of a JSON body: ``{"batch": [...]}``, a list, or one event.

    Raises:
        ApiError: 400 or 413.
    """
    key = asked.get("api_key") or asked.get("token")
    sent_at: str | int | float | None = asked.get("sent_at") or asked.get("_")
    if is_array(body):
        return _keyed(Batch(key, elements(body), sent_at, False))
    envelope = scan(_envelope, body)
    key = key or _key(envelope)
    own = plain(envelope.sent_at)
    sent_at = sent_at if own is None else own
    if bytes(envelope.batch) == b"null":
        return Batch(key or key_of(Raw(body)), [Raw(body)], sent_at, False)
    events = elements(envelope.batch, "batch")
    historical = bytes(envelope.historical_migration) == b"true"
    return _keyed(Batch(key, events, sent_at, historical))


def _keyed(batch: Batch) -> Batch:
    """The batch with the first key of its events, where it has none itself."""
    if batch.key is not None:
        return batch
    key = next(filter(None, map(key_of, batch.events)), None)
    return batch._replace(key=key, keyed_by_event=True)


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
