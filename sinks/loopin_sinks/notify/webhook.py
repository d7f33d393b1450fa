"""Our own channel: the alert's record by POST, signed."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from time import time
from typing import Final
from urllib.parse import quote, urlsplit

import aiohttp

from loopin_schemas.alert import Alert
from loopin_schemas.codec import encode
from loopin_sinks.notify.answer import Answer, Later, Refused, Taken
from loopin_sinks.notify.channels_file import Channel
from loopin_sinks.notify.errors import NotifyError
from loopin_sinks.notify.signature import signature

PASSING: Final = (408, 425, 429)
"""Answers below 500 after which the same request may succeed."""

LONGEST_AFTER_S: Final = 3600.0
"""The longest rest that a ``Retry-After`` gets."""


class Webhook:
    """Posts alerts to one address.

    Redirects are not followed: a signed alert goes where the operator has said, and nowhere else. Private
    addresses are as good as others, since they are the operator's own.
    """

    def __init__(self, name: str, channel: Channel, timeout_s: float) -> None:
        """Raises:
        NotifyError: ``channel_invalid``.
        """
        self._url = _address(name, channel)
        self._secret = channel.secret.get_secret_value() if channel.secret is not None else ""
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def deliver(self, alert: Alert) -> Answer:
        """Send the record once."""
        body = encode(alert)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "loopin-analytics",
            "Loopin-Signature": signature(self._secret, int(time()), body),
            "Loopin-Delivery": delivery_id(alert),
        }
        session = self._session = self._session or self._new_session()
        try:
            async with session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
                return _answer(response)
        except TimeoutError:
            return Later(f"it did not answer within {self._timeout_s:g} s")
        except aiohttp.ClientConnectorError as error:
            return Later(f"no connection ({error.os_error.strerror or type(error.os_error).__name__})")
        except (aiohttp.ClientError, OSError) as error:
            # Without its text, which may hold the address.
            return Later(f"the request failed ({type(error).__name__})")

    async def close(self) -> None:
        """Let the connections go."""
        if self._session is not None:
            await self._session.close()

    def _new_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._timeout_s), cookie_jar=aiohttp.DummyCookieJar()
        )


def delivery_id(alert: Alert) -> str:
    """``ID/SEQUENCE``, by which a receiver knows a repeated delivery; percent-encoded, as headers need it."""
    return f"{quote(alert.id, safe=':=,')}/{alert.sequence}"


def _answer(response: aiohttp.ClientResponse) -> Answer:
    status = response.status
    if 200 <= status < 300:
        return Taken()
    if status in PASSING or status >= 500:
        return Later(f"it answered {status}", _after_s(response.headers.get("Retry-After")))
    if 300 <= status < 400:
        return Refused(f"it answered {status}, and redirects are not followed")
    return Refused(f"it answered {status}")


def _after_s(said: str | None) -> float | None:
    """``Retry-After`` in seconds, given as such or as a date (RFC 9110, 10.2.3); None where it is neither."""
    if said is None:
        return None
    try:
        seconds = float(said) if said.isdecimal() else parsedate_to_datetime(said).timestamp() - time()
    except ValueError:
        return None
    return min(max(0.0, seconds), LONGEST_AFTER_S)


def _address(name: str, channel: Channel) -> str:
    url = channel.url.get_secret_value().removeprefix("webhook+")
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise NotifyError(
            "channel_invalid", f"Correct the channel {name}: its URL is webhook+https://HOST/PATH."
        )
    return url
