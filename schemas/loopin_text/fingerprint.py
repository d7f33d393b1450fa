"""What makes two errors the same one: a hash of the exception's type and its stack, where they stay the same.

Lines, addresses, ids, hosts, folders of releases and hashes in names of files differ from one run or release
to the next, so they count for nothing. An error without a stack is known by its type and its message, in
which all that differs from one request to the next is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import groupby
from typing import Any, Final

from loopin_text.stack_trace import Frame, parsed, type_of

ERRORS: Final = ("error_logged", "$exception")
"""Events that are errors."""

FINGERPRINT: Final = "$exception_fingerprint"
"""PostHog's name for it; a client may say it by itself."""

READ: Final = frozenset({"message", "stack_trace", "$exception_list"})
"""Properties that it is made of."""

MAX_MESSAGE: Final = 1_000
"""Characters of a message that count."""

MAX_FRAMES: Final = 200
"""Frames that count, from the trace's beginning."""

_VARYING: Final = tuple(
    (re.compile(form, re.IGNORECASE), mark)
    for form, mark in (
        (r'"[^"\n]*"|\'[^\'\n]*\'|`[^`\n]*`|«[^»\n]*»', "<text>"),
        (r"[a-z][a-z0-9+.\-]*://\S+", "<address>"),
        (r"[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+", "<email>"),
        (r"\[(?:email|phone|card|token)\]", "<text>"),  # what the scrub has left
        (r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", "<id>"),
        (r"\b0x[0-9a-f]+\b", "<id>"),
        (r"\b(?=[a-f]*[0-9])[0-9a-f]{6,}\b", "<id>"),
        (r"\b(?=[a-z_\-]*[0-9])[a-z0-9_\-]{16,}\b", "<id>"),
        (r"\b\d[\d.,:/\-]*\b|\d+", "<n>"),
        (r"\s+", " "),
    )
)
_HOST: Final = re.compile(r"[a-z][a-z0-9+.\-]*://[^/]*", re.IGNORECASE)
_QUERY: Final = re.compile(r"[?#].*")
_HASH: Final = re.compile(r"(?<![A-Za-z])(?=[a-f]*[0-9])[0-9a-f]{6,}(?![A-Za-z])|\d+")
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]+|\$\$?Lambda\S*|\d+")


def of_event(name: str, properties: Mapping[str, Any]) -> str | None:
    """The fingerprint of an event with these properties; None where it is no error."""
    if name == "error_logged":
        return of_log(_text(properties, "message"), _text(properties, "stack_trace"))
    if name == "$exception":
        return of_exceptions(properties.get("$exception_list"))
    return None


def of_log(message: str, stack_trace: str) -> str:
    """The fingerprint of an error that was logged; 32 hexadecimal digits."""
    trace = parsed(stack_trace)
    return _hash(_said(trace.type or type_of(message), trace.frames, message))


def of_exceptions(exceptions: Any) -> str:
    """The same of a list as PostHog's SDKs send it, outermost first."""
    told = exceptions if isinstance(exceptions, list) else []
    found = [each for each in told if isinstance(each, Mapping)]
    return _hash(
        line
        for each in found
        for line in _said(_text(each, "type"), tuple(frames_of(each)), _text(each, "value"))
    )


def frames_of(exception: Mapping[str, Any]) -> Iterator[Frame]:
    """The frames of one exception of such a list."""
    trace = exception.get("stacktrace")
    frames = trace.get("frames") if isinstance(trace, Mapping) else None
    for frame in frames if isinstance(frames, list) else ():
        if isinstance(frame, Mapping):
            yield Frame(
                _text(frame, "filename") or _text(frame, "abs_path") or _text(frame, "module"),
                _text(frame, "function"),
            )


def normalised_message(message: str) -> str:
    """The message without what differs from one request to the next."""
    text = message[:MAX_MESSAGE]
    for form, mark in _VARYING:
        text = form.sub(mark, text)
    return text.strip()


def normalised_frame(frame: Frame) -> str:
    """Function and file: of its path the last folder and the name."""
    path = _QUERY.sub("", _HOST.sub("", frame.file)).replace("\\", "/")
    file = "/".join(_HASH.sub("#", path).strip("/").split("/")[-2:])
    return f"{_ADDRESS.sub('#', frame.function)}@{file}"


def _said(type: str, frames: tuple[Frame, ...], message: str) -> Iterator[str]:
    yield f"type {type}"
    if frames:
        # Each of a run once: how deep a recursion went says nothing.
        for frame, _ in groupby(map(normalised_frame, frames[:MAX_FRAMES])):
            yield f"frame {frame}"
    else:
        yield f"message {normalised_message(message)}"


def _hash(lines: Iterable[str]) -> str:
    return sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _text(of: Mapping[str, Any], name: str) -> str:
    value = of.get(name)
    return value if isinstance(value, str) else ""
