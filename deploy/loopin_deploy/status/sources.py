"""Where the roles' statuses come from: their own HTTP servers, or the broker."""

from __future__ import annotations

import urllib.error
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from time import time
from typing import NamedTuple

from loopin_deploy.consumers import GROUPS
from loopin_deploy.readyz import UNANSWERED, address, fetch, why
from loopin_deploy.status.snapshot import UNKNOWN, ConsumerStatus, RoleStatus, Snapshot, read_exposition
from loopin_streams.kafka.lag import LagWatch


class Address(NamedTuple):
    """Where a role listens, and which one it is where that is known."""

    url: str
    role: str = UNKNOWN


def snapshot_of(addresses: Sequence[Address], key: str) -> Snapshot:
    """Ask every role, all at once; ``key`` opens the API's metrics."""
    with ThreadPoolExecutor(max_workers=16) as threads:
        roles = list(threads.map(lambda asked: role_status(asked, key), addresses))
    return Snapshot(time(), roles)


def role_status(asked: Address, key: str = "") -> RoleStatus:
    """Ask one role; of one that does not answer it says so."""
    url, role = asked
    try:
        code, body = fetch(address(url), key)
        status = RoleStatus(role, url, answers=True, ready=code == 200, reason=why(code, body))
        code, body = fetch(f"{url}/metrics", key)
        if code == 200:
            read_exposition(body, status)
        elif code in (401, 403):
            # Only the API asks for a key.
            status.role = "api"
            status.reason = status.reason or "Its metrics need a key with the scope read: give --key."
    except UNANSWERED as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        said = getattr(cause, "strerror", None) or cause
        return RoleStatus(role, url, answers=False, ready=False, reason=f"{url} does not answer ({said}).")
    return status


async def snapshot_from_broker(watch: LagWatch) -> Snapshot:
    """How far every consumer is behind by what its group has committed.

    Raises:
        BrokerUnreachable, BrokerRefused: the broker does not say.
    """
    await watch.look()
    roles = []
    for name in dict.fromkeys(group.role for group in GROUPS):
        consumers = [group.consumer for group in GROUPS if group.role == name]
        reason = watch.unready(consumers)
        status = RoleStatus(name, "", answers=True, ready=reason is None, reason=reason)
        for consumer in consumers:
            lag = watch.lag(consumer)
            if lag is not None:
                status.consumers.append(ConsumerStatus(consumer, lag_events=lag.events, lag_s=lag.seconds))
        roles.append(status)
    return Snapshot(time(), roles)
