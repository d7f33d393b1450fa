"""What can go wrong between ``capture()`` and the broker's acknowledgement."""

from __future__ import annotations


class LoopinError(Exception):
    """A problem of the client or the broker.

    Attributes:
        code: stable lower_snake reason for programs.
        reason: one sentence for a person, which says what to do.
        uuid: the event concerned, or None when it is not about one event.
    """

    code = "loopin_error"

    def __init__(self, reason: str, *, uuid: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.uuid = uuid

    @property
    def kind(self) -> str:
        """What is the same for errors with one cause."""
        return self.code


class InvalidConfiguration(LoopinError):
    """The client was made with settings that cannot work."""

    code = "invalid_configuration"


class QueueFull(LoopinError):
    """The client's queue has no room, so the event was dropped."""

    code = "queue_full"


class SpoolFull(LoopinError):
    """The spool on disk has reached its bound, or the disk is full, so events were dropped."""

    code = "spool_full"


class SpoolUnreadable(LoopinError):
    """Events in the spool are not what was written, so they are lost."""

    code = "spool_unreadable"


class EventRefused(LoopinError):
    """What an event holds breaks a limit, so the event was dropped.

    Attributes:
        problem: the limit's stable lower_snake code, such as ``properties_too_large``.
        field: what breaks it, dotted within properties.
    """

    code = "invalid_event"

    def __init__(self, reason: str, *, problem: str, field: str | None) -> None:
        super().__init__(reason)
        self.problem = problem
        self.field = field

    @property
    def kind(self) -> str:
        """Its code and the limit's."""
        return f"{self.code} {self.problem}"


class HookFailed(LoopinError):
    """A ``before_send`` or ``opt_out`` of the caller raised, so the event was dropped rather than sent."""

    code = "hook_failed"


class ClientClosed(LoopinError):
    """An event was captured after ``shutdown()``, so it was dropped."""

    code = "client_closed"


class DeliveryFailed(LoopinError):
    """An event was not acknowledged.

    Attributes:
        kafka_error: the broker's or librdkafka's name of the cause, e.g. ``_MSG_TIMED_OUT``; over HTTP the
            code of the answer, or its status.
        final: trying again cannot help.
        status: the HTTP status, where the API answered so to all events of a request.
        error_code: the API's own code of the cause, e.g. ``UNAUTHENTICATED``.
    """

    code = "delivery_failed"

    def __init__(
        self,
        reason: str,
        *,
        kafka_error: str,
        uuid: str | None = None,
        final: bool = False,
        status: int | None = None,
        error_code: str | None = None,
    ) -> None:
        super().__init__(reason, uuid=uuid)
        self.kafka_error = kafka_error
        self.final = final
        self.status = status
        self.error_code = error_code

    @property
    def kind(self) -> str:
        """Its code and the cause."""
        return f"{self.code} {self.kafka_error}"
