"""Properties that name the same thing twice."""

from __future__ import annotations

import json
import re

import msgspec

from loopin_schemas.codec import encode
from loopin_streams.enrich.draft import Context, Draft, Outcome

_count_names = json.JSONDecoder(object_pairs_hook=len, parse_int=len, parse_float=len).decode
_blank_after_quote = re.compile(rb'"[ \t\n\r]').search


def settle_repeated_names(draft: Draft, _: Context) -> Outcome:
    """Leave out all values of a name but the last, which counts here: the store would take the first."""
    body, names = bytes(draft.event.properties), len(draft.properties)
    if not _surely_different(body, names) and _count_names(body.decode()) != names:
        draft.event.properties = msgspec.Raw(encode(draft.properties))
    return None


def _surely_different(body: bytes, names: int) -> bool:
    """Whether no more than ``names`` names can be there: a quick look, which is enough for most events."""
    if body.count(b":") == names:
        return True
    # Times and addresses have colons too, but not after a quote.
    return body.count(b'":') == names and not _blank_after_quote(body)
