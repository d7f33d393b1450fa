"""Records that somebody else answers for: on disk at once, and with the broker as soon as it takes them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from loopin_producers.channel import logger, producer_config
from loopin_producers.connection import Connection
from loopin_producers.errors import LoopinError
from loopin_producers.resender import Hooks
from loopin_producers.spool import SpooledRecord
from loopin_producers.ways import Waiting, check_spool, kafka_ways
from loopin_schemas.topics import RAW

_QUEUE: Final = 10_000
_TIMEOUT_S: Final = 30.0


class Reserve:
    """Keeps records of ``events.raw`` on disk and delivers them in their order.

    What a process that has ended left in the folder is delivered, too, from the start on. Written records
    survive the process, not the machine's loss of power.

    Args:
        bootstrap_servers: host:port of the brokers, comma separated.
        topic_prefix: put before the topic's name.
        folder: where the records wait; shared by the processes of a user.
        max_bytes: bound on it.
        delivered: called for each record that the broker has acknowledged, in a background thread.
        given_up: called for each that it will never take, with its uuid and the reason.

    Raises:
        InvalidConfiguration: the folder cannot be used.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        topic_prefix: str,
        folder: Path,
        max_bytes: int,
        *,
        delivered: Callable[[], object] = lambda: None,
        given_up: Callable[[str, LoopinError], object] = lambda _uuid, _error: None,
    ) -> None:
        waiting = Waiting(_QUEUE, None, _TIMEOUT_S, True, True, folder, max_bytes)
        waiting.check()
        hooks = Hooks(
            delivered=lambda _record, _partition, _offset: delivered(),
            failed=lambda record, error: given_up(record.uuid, error),
            dropped=lambda count, error: logger.error("%d records: %s", count, error.reason),
            recovered=lambda _count: None,
        )
        config = producer_config(bootstrap_servers, _QUEUE, {})
        ways = kafka_ways(config, f"{topic_prefix}{RAW.name}", waiting, hooks, report_all=True)
        check_spool(ways)
        self._connection = Connection(ways, lambda: None)
        self._lock = threading.Lock()
        self._kept_ns = 0
        self._connection.keep(())

    def keep(self, records: Iterable[tuple[str, bytes, bytes]]) -> int:
        """Write records (uuid, key, value) to the disk; returns how many of the first ones are there.

        Fewer than all where the bound is reached or the disk refuses.

        Raises:
            ClientClosed: after :meth:`close`.
        """
        with self._lock:
            # Delivered in this order, whatever the clock does.
            first = self._kept_ns = max(self._kept_ns + 1, time.time_ns())
            spooled = [SpooledRecord(one[0], first + at, one[1], one[2]) for at, one in enumerate(records)]
            self._kept_ns += len(spooled)
            return len(spooled) - self._connection.keep(spooled)

    @property
    def waiting(self) -> int:
        """Records of this process that the broker does not have yet."""
        return self._connection.spooled

    @property
    def empty(self) -> bool:
        """Whether the broker has everything, also what another process left."""
        return self._connection.spool_empty

    @property
    def is_down(self) -> bool:
        """Whether no broker could be reached, and nothing has been acknowledged since."""
        return self._connection.is_down

    def close(self, timeout: float) -> int:
        """Deliver for ``timeout`` seconds and stop; returns how many records wait for the next process."""
        return self._connection.close(timeout)
