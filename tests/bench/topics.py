"""Making topics, for the bench and for systems that need theirs beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import monotonic, sleep

from confluent_kafka.admin import AdminClient, NewTopic

ADMIN_S = 15.0
POLL_S = 0.05


def admin_of(bootstrap: str) -> AdminClient:
    """A client for the broker's administration."""
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})


def create_topics(
    bootstrap: str, names: Sequence[str], partitions: int, config: Mapping[str, str] | None = None
) -> None:
    """Create topics and see them there, because the controller answers before the broker shows them.

    Raises:
        TimeoutError: the broker does not show them in time.
    """
    admin = admin_of(bootstrap)
    wanted = [NewTopic(name, partitions, 1, config=dict(config or {})) for name in names]
    for created in admin.create_topics(wanted).values():
        created.result(ADMIN_S)
    deadline = monotonic() + ADMIN_S
    while not set(names) <= set(admin.list_topics(timeout=ADMIN_S).topics):
        if monotonic() > deadline:
            raise TimeoutError(f"the broker does not show the topics {names}")
        sleep(POLL_S)
