"""Reasons for which a worker must stop rather than go on with doubtful state."""

from __future__ import annotations

from aiokafka import errors

EXIT_REFUSED = 78
"""Exit code of a role that refused: starting it again will not help before someone acts."""


class RefusedToOpen(Exception):
    """A partition whose marker and log do not fit; the text is one sentence that says what to do.

    Attributes:
        code: stable reason: ``broker_refused``, ``internal_error``, ``topic_recreated``,
            ``log_starts_after_marker``, ``marker_beyond_log``, ``marker_missing``, ``marker_unreadable``,
            ``partitions_changed``, ``state_incomplete``, ``state_recreated``, ``state_unreadable``,
            ``state_version``, ``transaction_left_open``.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


PERMANENT = (
    *(errors.TopicAuthorizationFailedError, errors.GroupAuthorizationFailedError),
    *(errors.ClusterAuthorizationFailedError, errors.TransactionalIdAuthorizationFailed),
    *(errors.AuthenticationFailedError, errors.AuthenticationMethodNotSupported),
    *(errors.SaslAuthenticationFailed, errors.UnsupportedSaslMechanismError),
    *(errors.UnsupportedVersionError, errors.IncompatibleBrokerVersion, errors.InvalidTransactionTimeout),
    *(errors.MessageSizeTooLargeError, errors.RecordListTooLargeError, errors.InvalidTopicError),
    *(errors.PolicyViolationError, errors.InvalidTimestampError),
)
"""What the broker refuses however often it is asked.

aiokafka's ``retriable`` does not tell: it is False for some errors that pass.
"""


class AbsorbFailed(Exception):
    """A job failed on a batch for a reason of its own, which is its cause; nothing of the batch is kept."""


class Fenced(Exception):
    """Another worker owns the partition now: this one must end and start anew."""


class BrokerUnreachable(Exception):
    """No broker answered in time; the text is one sentence that says what to do."""


class BrokerRefused(Exception):
    """The broker answered with an error; the text is one sentence with the broker's reason."""


class ConfigConflict(Exception):
    """Somebody else has changed the item that was to be replaced, or has made one of the same id."""


class ConfigBusy(Exception):
    """Others kept changing the configuration, so that this change had no turn."""
