"""From a client's options to its ways out: which transport, which spool."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from loopin_producers.channel import Channel
from loopin_producers.connection import Ways
from loopin_producers.errors import InvalidConfiguration
from loopin_producers.http_transport import HttpTransport, check_target
from loopin_producers.kafka_transport import KafkaTransport
from loopin_producers.options import check_folder, is_count, is_number
from loopin_producers.resender import Hooks
from loopin_producers.spool import Spool
from loopin_producers.spool.folder import (
    Destination,
    default_folder,
    describe,
    description,
    folder_of,
    kin,
    unread,
)
from loopin_producers.spool.spool import SMALLEST_BYTES

logger = logging.getLogger("loopin_producers")

HTTP_FLUSH_S = 0.5
KAFKA_FLUSH_S = 0.01

_MOST: Final = 2**31 - 1
_SHORTEST_S: Final = 0.001
_LONGEST_S: Final = _MOST // 1000
_LONGEST_LINGER_S: Final = 900
"""librdkafka's bounds of its queue, of ``message.timeout.ms`` (0 would be for ever) and of ``linger.ms``."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long, how many and where events wait: the client's options of these names."""

    max_queue_size: int
    flush_interval: float | None
    delivery_timeout: float
    durable: bool
    spool: bool
    spool_dir: str | Path | None
    spool_max_bytes: int

    def check(self, usual_flush: float = KAFKA_FLUSH_S) -> None:
        """Raises InvalidConfiguration. ``usual_flush``: the flush interval (s) where none is given."""
        if not is_count(self.max_queue_size, 1, _MOST):
            raise InvalidConfiguration(f"Give max_queue_size as a whole number from 1 to {_MOST}.")
        if not is_count(self.spool_max_bytes, SMALLEST_BYTES, sys.maxsize):
            raise InvalidConfiguration(
                f"Give spool_max_bytes as a whole number of bytes, at least {SMALLEST_BYTES}."
            )
        timeout, interval = self.delivery_timeout, self.flush_interval
        if not is_number(timeout) or not _SHORTEST_S <= timeout <= _LONGEST_S:
            raise InvalidConfiguration(
                f"Give delivery_timeout in seconds, from {_SHORTEST_S} to {_LONGEST_S:,.0f}."
            )
        if interval is not None and not (is_number(interval) and 0 <= interval <= _LONGEST_LINGER_S):
            raise InvalidConfiguration(
                f"Give flush_interval in seconds, from 0 to {_LONGEST_LINGER_S:.0f}, or leave it out."
            )
        if self.spool and timeout <= (usual_flush if interval is None else interval):
            raise InvalidConfiguration("Give a delivery_timeout above flush_interval.")
        check_folder("spool_dir", self.spool_dir)
        if self.durable and not self.spool:
            raise InvalidConfiguration("Leave spool on: durable=True writes events there.")


def kafka_ways(
    config: Mapping[str, Any], topic: str, waiting: Waiting, hooks: Hooks, *, report_all: bool
) -> Ways:
    """Straight to the broker. ``config`` is librdkafka's; events that time out go to the spool, if any."""
    timeout = {"message.timeout.ms": round(waiting.delivery_timeout * 1000)} if waiting.spool else {}
    delivering = {**timeout, **config}
    return Ways(
        transport=lambda down: KafkaTransport(delivering, topic, report_all=report_all, on_down=down),
        spool=_spool(waiting, Destination.kafka(config["bootstrap.servers"], topic)),
        channel=lambda down: Channel(config, on_down=down),
        hooks=hooks,
        durable=waiting.durable,
        max_waiting=waiting.max_queue_size,
    )


def http_ways(url: str, key: str, waiting: Waiting, hooks: Hooks, *, project: str | None = None) -> Ways:
    """By way of the API at ``url``; with a ``project``, what waits on disk belongs to it, not to the key.

    Raises InvalidConfiguration: no usable address or key.
    """
    check_target(url, key)
    return Ways(
        transport=lambda down: HttpTransport(
            url,
            key,
            max_queue_size=waiting.max_queue_size,
            flush_interval=HTTP_FLUSH_S if waiting.flush_interval is None else waiting.flush_interval,
            delivery_timeout=waiting.delivery_timeout,
            on_down=down,
        ),
        spool=_spool(waiting, Destination.http(url, project, key)),
        channel=None,
        hooks=hooks,
        durable=waiting.durable,
        max_waiting=waiting.max_queue_size,
    )


def check_spool(ways: Ways) -> None:
    """Raises InvalidConfiguration: events are to be written to a spool that cannot be used."""
    if not ways.durable:
        return
    spool = ways.spool()
    if spool is None:
        raise InvalidConfiguration("Give a spool_dir that can be written: durable=True needs it.")
    spool.close()


def _spool(waiting: Waiting, destination: Destination) -> Callable[[], Spool | None]:
    def open_spool() -> Spool | None:
        if not waiting.spool:
            return None
        root = default_folder() if waiting.spool_dir is None else Path(waiting.spool_dir)
        folder = folder_of(root, destination)
        try:
            describe(folder, destination)
            spool = Spool(folder, waiting.spool_max_bytes, lambda: kin(root, destination))
        except OSError as error:
            logger.warning(
                "Nothing is kept on disk, %s cannot be used (%s): give another spool_dir.", root, error
            )
            return None
        _warn_of_unread(root, destination)
        return spool

    return open_spool


_warned: set[Path] = set()


def _warn_of_unread(root: Path, destination: Destination) -> None:
    """Say once in a process which events wait for a destination that nobody sends to any more."""
    for folder in unread(root, destination, time.time()):
        if folder not in _warned:
            _warned.add(folder)
            logger.warning(
                "Events wait in %s, and nobody has delivered them for an hour: start a client for %s, or "
                "delete the folder.",
                folder,
                description(folder) or "their destination",
            )
