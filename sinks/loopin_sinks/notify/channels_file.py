"""The file that says whom to tell of which alerts: channels with their addresses, and routes to them.

Addresses hold passwords and tokens: hence a file that only its owner may read, not a record on a topic, and
no message of ours shows one.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from loopin_schemas.alert import AlertEvent, Severity
from loopin_sinks.notify.errors import NotifyError

MIN_SECRET: int = 32
"""Fewest characters of a webhook's secret."""

TOLD: tuple[AlertEvent, ...] = ("fired", "worse", "unsilenced", "reminded", "escalated", "resolved")
"""What a channel is told by default. ``unsilenced``: of what fired silenced nobody has heard yet."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Pattern = Annotated[str, Field(min_length=1, max_length=200)]


class Channel(BaseModel):
    """Where notifications go: ``webhook+https://...`` is our own, anything else is a URL of ``apprise``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: SecretStr
    secret: SecretStr | None = None
    format: Literal["text", "markdown"] = "text"

    @model_validator(mode="before")
    @classmethod
    def _only_a_url(cls, value: Any) -> Any:
        return {"url": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fitting(self) -> Channel:
        if not self.webhook:
            if self.secret is not None:
                raise ValueError("only a webhook has a secret")
        elif self.secret is None or len(self.secret.get_secret_value()) < MIN_SECRET:
            raise ValueError(f"a webhook needs a secret of at least {MIN_SECRET} characters")
        return self

    @property
    def scheme(self) -> str:
        """What stands before ``://``, which is no secret."""
        return self.url.get_secret_value().partition("://")[0][:40]

    @property
    def webhook(self) -> bool:
        """Whether it is one of our own, signed."""
        return self.scheme in ("webhook+http", "webhook+https")


class Route(BaseModel):
    """Which alerts a channel is told of: all conditions that are given must hold.

    ``projects``, ``rules`` and ``metrics`` are names, in which ``*`` stands for any text. ``dimensions``
    and ``labels`` (of the rule) list values by name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    channel: Name
    projects: tuple[Pattern, ...] = ("*",)
    severities: tuple[Severity, ...] = ("warning", "critical")
    rules: tuple[Pattern, ...] = ("*",)
    metrics: tuple[Pattern, ...] = ("*",)
    dimensions: dict[str, tuple[str, ...]] = {}
    labels: dict[str, tuple[str, ...]] = {}
    events: tuple[AlertEvent, ...] = TOLD
    enabled: bool = True


class Channels(BaseModel):
    """The file's content. Without routes, every channel is told of every alert."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    channels: dict[Name, Channel] = Field(min_length=1)
    routes: tuple[Route, ...] | None = None

    @model_validator(mode="after")
    def _known_channels(self) -> Channels:
        for route in self.routes or ():
            if route.channel not in self.channels:
                raise ValueError(f"a route names the channel {route.channel}, which is not there")
        return self

    @property
    def in_force(self) -> tuple[Route, ...]:
        """The routes, those by default included."""
        if self.routes is None:
            return tuple(Route(channel=name) for name in self.channels)
        return self.routes


def read_channels(path: Path) -> Channels:
    """Channels and routes of the file.

    Raises:
        NotifyError: ``notify_file_unreadable``, ``notify_file_readable_by_others`` or
            ``notify_file_invalid``.
    """
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise NotifyError(
                    "notify_file_readable_by_others",
                    f"Other users may read {path}, which holds passwords: run `chmod 600` on it.",
                )
            text = file.read()
    except OSError as error:
        raise NotifyError(
            "notify_file_unreadable",
            f"Check LOOPIN_NOTIFY_FILE: {path} cannot be read ({error.strerror}).",
        ) from None
    try:
        return Channels.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        words = first["msg"].removeprefix("Value error, ")
        raise NotifyError("notify_file_invalid", f"Correct {path}: {where}: {words}.") from None
