"""What may stay of an event that holds what people wrote to each other: known names, each with its form.

A name is known by its last word (``room_id``, ``attachmentCount``) or as a library's own. Whatever has
another name, or another form than its name promises, leaves whole, and so does every object: names within it
may be words, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from loopin_text.pii.kinds import MARKS

_NAME: Final = re.compile(r"\$?[A-Za-z][A-Za-z0-9_.\-]{0,63}", re.ASCII)
_MOST_WORDS: Final = 4
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BETWEEN: Final = re.compile(r"[^a-z]+")
_PLAIN: Final = re.compile(r"[\W_]+")
_LETTERS: Final = re.compile(r"[^\W\d_]{3,}")
"""Fewer come together in any id by chance."""

_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_.:\-]{0,64}")
_SENTENCE: Final = re.compile(r"(?:[A-Za-z]+[_.:\-]+){2,}[A-Za-z]+")
"""Words that only the blanks are missing between."""
_DIGIT: Final = re.compile("[0-9]")
_GROUP_KEY: Final = re.compile(r"(?=.{0,200}\Z)\S*(?: \S+){0,5}")
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9:.]{4,20}(?:[+\-][0-9:]{4,8})?Z?)?|[0-9]{1,19}"
)

Form = Callable[[str], bool]


def _of(pattern: str) -> Form:
    found = re.compile(pattern, re.ASCII)
    return lambda text: found.fullmatch(text) is not None


def _among(*names: str) -> Form:
    known = frozenset(_PLAIN.sub("", name.casefold()) for name in names)
    return lambda text: len(text) <= 64 and _PLAIN.sub("", text.casefold()) in known


def is_identifier(text: str) -> bool:
    """Whether a text may be an id, which may be a word; a mark of the scrub counts as one."""
    word = text.strip(" ")
    if _IDENTIFIER.fullmatch(word) is None:
        return word in MARKS.values() or is_time(word)
    return _SENTENCE.fullmatch(word) is None


def _is_number_of_place(text: str) -> bool:
    return is_identifier(text) and _DIGIT.search(text) is not None


def is_time(text: str) -> bool:
    """Whether it is a date, or a time as people and machines write it."""
    return _TIME.fullmatch(text) is not None


def _is_client_id(text: str) -> bool:
    return len(text) <= 200 and not any(map(str.isspace, text)) and _SENTENCE.fullmatch(text) is None


_nothing: Final = _among()
_number: Final = _of(r"-?[0-9]{1,15}(?:\.[0-9]{1,6})?")
_version: Final = _of(r"unknown|v?[0-9][\w.+\-]{0,39}")
_system_name: Final = _among(
    *("Windows", "Windows Phone", "Windows Mobile", "Mac OS X", "macOS", "Linux", "Ubuntu", "Debian"),
    *("Fedora", "FreeBSD", "Android", "iOS", "iPadOS", "watchOS", "tvOS", "visionOS", "Chrome OS", "Darwin"),
    *("BlackBerry", "BlackBerry OS", "Xbox", "PlayStation", "Nintendo", "KaiOS", "HarmonyOS", "Tizen"),
    *("webOS",),
)
_OF_VERSION: Final = re.compile(r" [0-9][0-9.]{0,20}\Z")


def _system(text: str) -> bool:
    return _system_name(_OF_VERSION.sub("", text))


_browser: Final = _among(
    *("Chrome", "Chrome iOS", "Chrome Mobile", "Chrome Mobile iOS", "Chrome Mobile WebView", "Chromium"),
    *("HeadlessChrome", "Firefox", "Firefox iOS", "Firefox Mobile", "Safari", "Mobile Safari", "Edge"),
    *("Mobile Safari UI/WKWebView", "Microsoft Edge", "Edge Mobile", "Opera", "Opera Mini", "Opera Mobile"),
    *("Samsung Internet", "UC Browser", "Internet Explorer", "Internet Explorer Mobile", "IE", "Brave"),
    *("Facebook", "Facebook Mobile", "Instagram", "Android", "Android Mobile", "Android Browser", "Vivaldi"),
    *("DuckDuckGo Mobile", "Yandex Browser", "MiuiBrowser", "Electron", "BlackBerry", "Konqueror"),
)
_device_type: Final = _among("Desktop", "Mobile", "Tablet", "Console", "TV", "Wearable", "Web", "Phone")
_sort: Final = _among(
    *("text", "image", "photo", "video", "audio", "voice", "file", "document", "sticker", "gif", "link"),
    *("location", "contact", "poll", "reaction", "system", "direct", "group", "private", "public"),
    *("community", "chat", "email", "sms", "push", "in_app", "web", "ios", "android", "mobile", "desktop"),
    *("api", "sent", "delivered", "read", "failed", "queued", "pending", "inbound", "outbound", "new"),
    *("message", "message_sent"),
)
"""What messages are: their kind, way and state."""
_language: Final = _of(r"[A-Za-z]{2}(?:[_\-][A-Za-z0-9]{2,8}){0,3}|[A-Za-z]{3}[_\-][A-Z]{2}")
_zone: Final = _of(
    r"UTC|GMT|(?:Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific|Etc)"
    r"/[A-Za-z0-9_+\-]{1,30}(?:/[A-Za-z_]{1,30})?"
)
_agent: Final = _of(r"[\w.\-]+/[0-9][^\n]{0,1022}")
_address: Final = _of(r"[0-9A-Fa-f]{0,4}[:.][0-9A-Fa-f:.]{1,43}(?:%\w{1,15})?")
_country: Final = _of("[A-Z]{2}")

_LIBRARIES: Final[Mapping[str, Form]] = {
    **dict.fromkeys(("$os", "os"), _system),
    **dict.fromkeys(("$browser", "browser"), _browser),
    **dict.fromkeys(("$device_type", "device_type"), _device_type),
    **dict.fromkeys(("$locale", "locale", "$browser_language", "language"), _language),
    **dict.fromkeys(("$timezone", "timezone"), _zone),
    **dict.fromkeys(("$raw_user_agent", "$user_agent", "user_agent"), _agent),
    **dict.fromkeys(("$ip", "ip", "ip_address"), _address),
    **dict.fromkeys(("country", "country_code", "$geoip_country_code"), _country),
    "$lib": _of(r"web|js|(?:posthog|loopin|[Aa]nalytics|segment|[Rr]udder)[\w.\-/]{0,60}"),
    "$app_build": _version,
    "$bot_name": is_identifier,
    "$group_type": is_identifier,
    **dict.fromkeys(("$user_id", "$device_id", "$anon_distinct_id", "$anonymous_id"), _is_client_id),
    **dict.fromkeys(("$session_id", "$window_id", "$message_id"), _is_client_id),
}
_GROUP: Final = re.compile(r"\$group_(?:[0-9]{1,3}|key)")

_IDS: Final = frozenset(
    {
        *("id", "ids", "uid", "uids", "uuid", "uuids", "guid", "key", "keys", "to", "cc", "bcc", "from"),
        *("user", "users", "member", "members", "recipient", "recipients", "participant", "participants"),
        *("sender", "community"),
    }
)
_LISTS: Final = frozenset(
    {
        *("ids", "uids", "uuids", "keys", "to", "cc", "bcc"),
        *("users", "members", "recipients", "participants"),
    }
)
"""Of these, the names of several ids."""
_PLACES: Final = frozenset({"conversation", "thread", "room", "chat"})
"""Where people talk: these names hold the talk itself as well as its id."""
_TIMES: Final = frozenset({"at", "time", "timestamp", "date", "day"})
_SORTS: Final = frozenset({"type", "kind", "channel", "platform", "status", "direction"})
_MEASURES: Final = frozenset(
    {
        *("count", "counts", "number", "size", "length", "duration", "seconds", "minutes", "s", "ms"),
        *("bytes", "score", "rating", "amount", "price", "total", "position", "index", "width", "height"),
        *("attachments", "images", "photos", "files", "links", "mentions", "emojis", "reactions"),
        *("replies", "characters"),
    }
)
_FLAGS: Final = frozenset({"is", "has", "was"})


_FORMS: Final[tuple[tuple[frozenset[str], Form], ...]] = (
    (_IDS, is_identifier),
    (_PLACES, _is_number_of_place),
    (_TIMES, is_time),
    (_SORTS, _sort),
    (_MEASURES, _number),
    (frozenset({"version"}), _version),
)
"""By the last word of a name."""


def may_stay(name: str, value: Any) -> bool:
    """Whether the property may stay as it is: it holds nobody's words, nor does its name."""
    form = _form_of(name) if len(name) <= 64 else None
    if form is None:
        return False
    if isinstance(value, str):
        return form(value)
    if isinstance(value, list | tuple):
        return form is is_identifier and last_word(name) in _LISTS and all(map(is_id, value))
    return value is None or isinstance(value, bool | int | float)


def is_meant_as_id(name: str, value: Any) -> bool:
    """Whether a text that may not stay is an id all the same, by name and letters: ``anna.maria.smith``."""
    if len(name) > 64 or _form_of(name) not in (is_identifier, _is_client_id) or last_word(name) not in _IDS:
        return False
    if isinstance(value, list | tuple):
        return last_word(name) in _LISTS and all(is_meant_as_id("id", item) for item in value)
    return _IDENTIFIER.fullmatch(value.strip(" ")) is not None if isinstance(value, str) else is_id(value)


@lru_cache(4096)
def _form_of(name: str) -> Form | None:
    """The form that a text of this name has; None of a name that is not known."""
    if name in _LIBRARIES:
        return _LIBRARIES[name]
    if _GROUP.fullmatch(name):
        return is_group_key
    if _NAME.fullmatch(name) is None:
        return None
    words = _words(name)
    if len(words) <= _MOST_WORDS:
        for last, form in _FORMS:
            if words[-1] in last:
                return form
    # A library's own, which has no path in it, and flags: numbers, true and false.
    return _nothing if (name[0] == "$" and "." not in name) or words[0] in _FLAGS else None


def _words(name: str) -> list[str]:
    return [word for word in _BETWEEN.split(_HUMP.sub("_", name).lower()) if word]


@lru_cache(4096)
def last_word(name: str) -> str:
    """What a name is known by; empty where it has no letters."""
    return next(reversed(_words(name)), "")


def words_of(text: str) -> set[str]:
    """The words of a text or a name, in small letters; ``lastSeen2`` is one, and its parts are others."""
    words = set[str]()
    for form in {text, _HUMP.sub("_", text)}:
        plain = form.casefold()
        words.update(_PLAIN.split(plain))
        if _DIGIT.search(plain):
            words.update(_LETTERS.findall(plain))
    return words - {""}


def is_id(value: Any) -> bool:
    """Whether it may be an id: a number, or :func:`is_identifier`."""
    return is_identifier(value) if isinstance(value, str) else isinstance(value, int)


def is_name(text: Any) -> bool:
    """Whether it may be a name that a program gives, and is no sentence."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None and _SENTENCE.fullmatch(text) is None


def is_group_key(text: str) -> bool:
    """Whether it may name a group: at most six words."""
    return _GROUP_KEY.fullmatch(text) is not None
