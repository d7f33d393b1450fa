"""Every other channel: mail, Slack, Telegram and the like, by the library ``apprise``."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from loopin_schemas.alert import Alert
from loopin_sinks.notify.answer import Answer, Later, Refused, Taken
from loopin_sinks.notify.channels_file import Channel
from loopin_sinks.notify.errors import NotifyError
from loopin_sinks.notify.mail_reply import SCHEMES, refusal
from loopin_sinks.notify.text import markdown, plain, subject

if TYPE_CHECKING:
    from apprise import Apprise

LONGEST_REASON: Final = 200


class AppriseService:
    """Tells one service of alerts.

    The library blocks and has timeouts of its own, so each service has a thread: one that hangs holds up no
    other. It says of a failure only that it was one, hence every failure is tried again; but what a mail
    server refuses for good is in its log, and with several recipients the others would get it each time.
    """

    def __init__(self, name: str, channel: Channel) -> None:
        """Raises:
        NotifyError: ``channel_invalid`` or ``library_missing``.
        """
        self._channel = channel
        self._service = _service(name, channel)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"notify-{name}")

    async def deliver(self, alert: Alert) -> Answer:
        """Send the alert as text once."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._send, alert)

    async def close(self) -> None:
        """Wait for nothing: what is under way ends by its own timeout."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _send(self, alert: Alert) -> Answer:
        in_markdown = self._channel.format == "markdown"
        with _Said() as said:
            taken = self._service.notify(
                title=subject(alert),
                body=markdown(alert) if in_markdown else plain(alert),
                body_format="markdown" if in_markdown else "text",
                notify_type=_type(alert),
            )
        if taken:
            return Taken()
        url = self._channel.url.get_secret_value()
        if self._channel.scheme in SCHEMES and (refused := refusal(said.all)) is not None:
            return Refused(f"the mail server refused it for good ({redacted(refused, url)})")
        why = redacted(said.last, url)
        return Later(f"the service did not take it ({why})" if why else "the service did not take it")


def redacted(text: str, url: str) -> str:
    """What the library says of a failure, without any part of the address but its scheme."""
    _, _, rest = url.partition("://")
    parts = {piece for part in re.split(r"[/:@?&=,]", rest) for piece in (part, unquote(part))}
    for part in sorted((part for part in parts if len(part) > 2), key=len, reverse=True):
        text = text.replace(part, "***")
    return " ".join(text.split())[:LONGEST_REASON].rstrip(".")


class _Said(logging.Handler):
    """Listens to what the library says in this thread: all of it, and its last warning."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.all: list[str] = []
        self.last = ""
        self._ident = threading.get_ident()

    def __enter__(self) -> _Said:
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        if record.thread == self._ident:
            self.all.append(record.getMessage())
            if record.levelno >= logging.WARNING:
                self.last = self.all[-1]


def _service(name: str, channel: Channel) -> Apprise:
    try:
        with warnings.catch_warnings():
            # It tries a module that Python is about to remove.
            warnings.simplefilter("ignore", DeprecationWarning)
            from apprise import Apprise, AppriseAsset

            # Its own log shows addresses; what it says of a failure is told without them.
            logging.getLogger("apprise").propagate = False
            logging.getLogger("apprise").setLevel(logging.DEBUG)
            # Without a time limit of its own it works in the thread that asks: beyond one, all services would
            # share a few threads.
            asset = AppriseAsset(app_id="Loopin", app_desc="Loopin analytics", service_timeout=0)
            service = Apprise(asset=asset)
            known = service.add(channel.url.get_secret_value())
    except ModuleNotFoundError as error:
        if error.name != "apprise":
            raise
        raise NotifyError(
            "library_missing",
            f"The channel {name} needs the library apprise: install loopin-analytics[notify].",
        ) from None
    if not known:
        raise NotifyError(
            "channel_invalid",
            f"Correct the channel {name}: apprise does not understand its URL ({channel.scheme}://...).",
        )
    return service


def _type(alert: Alert) -> str:
    if alert.event == "resolved":
        return "success"
    return "failure" if alert.severity == "critical" else "warning"
