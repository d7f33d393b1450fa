"""By way of the API, for clients without a route to the broker."""

from __future__ import annotations

import gzip
import logging
import random
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.response import HTTPResponse
from urllib3.util.wait import wait_for_read

from loopin_producers.errors import ClientClosed, DeliveryFailed, InvalidConfiguration, QueueFull
from loopin_producers.guard import Guard
from loopin_producers.http_answer import Answer, Outcome, read_answer
from loopin_producers.spool import SpooledRecord
from loopin_producers.transport import Settle

logger = logging.getLogger("loopin_producers")

PATH: Final = "/api/analytics/events/batch"
BATCH_EVENTS: Final = 500
BATCH_BYTES: Final = 4 << 20
"""A request holds no more than this; the API takes twice as many events and five times as many bytes."""

_TIMEOUT: Final = urllib3.Timeout(connect=5, read=15)
_SILENCE_S: Final = 2.0
"""A request that has no answer for so long counts as not taken: newer events are better off on disk."""

_END_S: Final = 1.0
"""How long the end of the client waits for the answer to a request that is under way."""

_SMALL: Final = 1024
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0
_LONGEST_ASKED_S: Final = 3600.0
"""No longer pause is kept, whoever asks for it."""


class _Queued(msgspec.Struct, gc=False):
    record: SpooledRecord
    settle: Settle
    deadline: float


class HttpTransport:
    """Posts batches in the background, in order; what the API asks to be sent again goes first.

    Args:
        url: address of the API, e.g. ``https://analytics.example.com``.
        api_key: a write key.
        max_queue_size: records that may wait.
        flush_interval: how long (s) a record may wait for others to go with.
        delivery_timeout: how long (s) a record is tried before it fails.
        on_down: called in the background thread when the API cannot be reached, does not
            answer, or asks to be left alone.

    Raises:
        InvalidConfiguration: no usable address or key.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        max_queue_size: int,
        flush_interval: float,
        delivery_timeout: float,
        on_down: Callable[[], object],
    ) -> None:
        self._url = _endpoint(url)
        self._headers = {
            "Authorization": f"Bearer {_usable(api_key)}",
            "Content-Type": "application/json",
            "User-Agent": "loopin-python",
        }
        self._pool = _pool(self._note_silence)
        self._max_queue_size = max_queue_size
        self._flush_interval = flush_interval
        self._delivery_timeout = delivery_timeout
        self._on_down = on_down
        self._guard = Guard("Events wait for the API.")
        self._changed = threading.Condition()
        self._queue: deque[_Queued] = deque()
        self._batch: list[_Queued] = []
        self._acknowledged = self._failed = self._settling = 0
        self._hurried = self._aborted = self._closing = self._stopped = False
        self._resting = self._silent = False
        self._most = BATCH_EVENTS
        self._thread = threading.Thread(target=self._run, name="loopin-delivery", daemon=True)
        self._thread.start()

    @property
    def counts(self) -> tuple[int, int, int]:
        """Records queued, acknowledged and failed so far."""
        with self._changed:
            return self._waiting(), self._acknowledged, self._failed

    @property
    def is_settling_here(self) -> bool:
        """Whether this is the thread that posts and settles."""
        return threading.current_thread() is self._thread

    def _waiting(self) -> int:
        return len(self._queue) + len(self._batch) + self._settling

    def send(self, record: SpooledRecord, settle: Settle) -> None:
        """Queue a record; returns at once. Raises QueueFull or ClientClosed."""
        queued = _Queued(record, settle, time.monotonic() + self._delivery_timeout)
        with self._changed:
            if self._closing:
                raise ClientClosed("Event dropped: capture before shutdown(), or make another client.")
            waiting = len(self._queue)
            if waiting + len(self._batch) >= self._max_queue_size:
                raise QueueFull(
                    "Event dropped, the queue is full: check that the API answers, or raise max_queue_size."
                )
            self._queue.append(queued)
            # The thread sleeps until there is something, and then until it is worth sending.
            if waiting in (0, self._most - 1):
                self._changed.notify_all()

    def wait_below(self, limit: int, timeout: float) -> bool:
        """Wait until fewer than ``limit`` records are queued; False when ``timeout`` (s) passes first."""
        with self._changed:
            if threading.current_thread() is self._thread:
                return self._waiting() < limit
            self._hurried = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._waiting() < limit, timeout)

    def purge(self, *, in_flight: bool) -> None:
        """Fail what waits to be sent, and ``in_flight`` also what may have arrived already."""
        with self._changed:
            purged = list(self._queue)
            self._queue.clear()
            if self._resting or self._silent:
                # What the API has not taken is not on its way, and of what it does not answer nobody knows:
                # sent twice it counts once. Whoever has a disk may keep it there.
                purged, self._batch = self._batch + purged, []
            self._settling += len(purged)
            if in_flight:
                self._aborted = True
            self._changed.notify_all()
        self._give_back(purged, "it was taken back unsent", "_PURGE_QUEUE")

    def _give_back(self, taken: Sequence[_Queued], why: str, code: str) -> None:
        """Fail what was taken out of queue and batch, and counted as ``_settling`` in the same moment."""
        self._settle([(queued, _failed(why, code)) for queued in taken])

    def close(self, timeout: float) -> int:
        """Deliver within ``timeout`` (s), fail the rest, stop; returns how many failed."""
        with self._changed:
            self._closing = True
        self.wait_below(1, timeout)
        unsent = self.counts[0]
        self.purge(in_flight=True)
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(_END_S)
            self._give_up_batch()
            self._pool.clear()
        return unsent

    def _give_up_batch(self) -> None:
        """Fail what was posted and has no answer: whoever has a disk keeps it, and nobody waits longer."""
        with self._changed:
            left, self._batch = self._batch, []
            self._settling += len(left)
        self._give_back(left, "the API did not answer", "_PURGE_INFLIGHT")

    def abandon(self) -> None:
        """Nothing to do: the connection is the parent's, and a forked child makes its own."""

    def _run(self) -> None:
        pause = _FIRST_PAUSE_S
        while self._gather():
            answer = self._post([queued.record for queued in self._batch])
            self._take(answer)
            if not self._batch:
                pause = _FIRST_PAUSE_S
                continue
            if answer.outcome is Outcome.TOO_LARGE:
                continue
            self._rest(pause if answer.retry_after_s is None else answer.retry_after_s)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    def _gather(self) -> bool:
        """Fill the batch, when it is worth sending; False when told to stop."""
        with self._changed:
            while not self._batch:
                if self._stopped:
                    return False
                if not self._queue:
                    self._hurried = self._aborted = False
                    self._changed.wait()
                    continue
                self._changed.wait_for(self._worth_sending, self._flush_interval)
                self._fill()
            return True

    def _worth_sending(self) -> bool:
        return self._hurried or self._stopped or len(self._queue) >= self._most

    def _fill(self) -> None:
        size = 0
        while self._queue and len(self._batch) < self._most:
            size += len(self._queue[0].record.value)
            if self._batch and size > BATCH_BYTES:
                break
            self._batch.append(self._queue.popleft())

    def _post(self, records: Sequence[SpooledRecord]) -> Answer:
        body = _body(records)
        headers = self._headers
        if len(body) > _SMALL:
            body = gzip.compress(body, 1)
            headers = {**headers, "Content-Encoding": "gzip"}
        try:
            response = self._pool.request("POST", self._url, body=body, headers=headers, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            logger.info("The API cannot be reached: %s", type(error).__name__)
            return Answer(Outcome.UNREACHABLE)
        finally:
            with self._changed:
                self._silent = False
        answer = read_answer(response.status, response.headers.get("Retry-After"), response.data)
        if answer.outcome is Outcome.LATER:
            self._guard.note(answer.failure)
        elif answer.outcome is Outcome.ANSWERED:
            self._guard.forget()
        return answer

    def _note_silence(self) -> None:
        with self._changed:
            self._silent = True
        self._on_down()

    def _take(self, answer: Answer) -> None:
        """Settle what the answer decides; what stays in the batch is to be sent again."""
        if answer.outcome is Outcome.TOO_LARGE and len(self._batch) > 1:
            with self._changed:
                self._most = max(1, len(self._batch) // 2)
                self._queue.extendleft(reversed(self._batch[self._most :]))
                del self._batch[self._most :]
            return
        batch = self._batch
        decided = [(queued, answer.of(queued.record.uuid)) for queued in batch]
        outcomes = [(queued, failure) for queued, (settled, failure) in decided if settled]
        with self._changed:
            if self._batch is not batch:
                # It was given up meanwhile: the answer took too long.
                return
            self._batch = [queued for queued, (settled, _) in decided if not settled]
            self._settling += len(outcomes)
        self._settle(outcomes)
        if answer.outcome is Outcome.ANSWERED:
            self._most = min(BATCH_EVENTS, self._most * 2)

    def _expire(self) -> None:
        """Fail what has been tried for too long, or is not to be tried any more."""
        now = time.monotonic()
        with self._changed:
            late = [queued for queued in self._batch if self._aborted or queued.deadline <= now]
            self._batch = [] if self._aborted else [queued for queued in self._batch if queued.deadline > now]
            self._settling += len(late)
        self._give_back(late, "the API did not take it in time", "_MSG_TIMED_OUT")

    def _rest(self, seconds: float) -> None:
        """Send nothing for so long; meanwhile what waits may be taken back, and is failed when it is late."""
        self._expire()
        with self._changed:
            self._resting = True
        self._on_down()
        # Clients that were refused together must not come back together.
        self._wait(min(seconds, _LONGEST_ASKED_S) * random.uniform(1, 1.25))
        with self._changed:
            self._resting = False
        self._expire()

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._woken() and (left := until - time.monotonic()) > 0:
            with self._changed:
                late = min((queued.deadline for queued in self._batch), default=until) - time.monotonic()
                self._changed.wait_for(self._woken, max(0.0, min(left, late)))
            self._expire()

    def _woken(self) -> bool:
        return self._aborted or self._stopped

    def _settle(self, outcomes: Sequence[tuple[_Queued, DeliveryFailed | None]]) -> None:
        """Tell what became of records that are counted as ``_settling``."""
        for queued, failure in outcomes:
            try:
                queued.settle(queued.record, failure, -1, -1)
            except Exception:
                logger.exception("A delivery callback raised; the event itself is not affected.")
        failed = sum(failure is not None for _, failure in outcomes)
        with self._changed:
            self._settling -= len(outcomes)
            self._acknowledged += len(outcomes) - failed
            self._failed += failed
            self._changed.notify_all()


def _pool(on_silence: Callable[[], object]) -> urllib3.PoolManager:
    """Connections that call ``on_silence`` in the thread that waits, when an answer takes ``_SILENCE_S``."""

    def await_answer(sock: socket.socket | None) -> None:
        if sock is not None and not wait_for_read(sock, _SILENCE_S):
            on_silence()

    class Connection(HTTPConnection):
        # urllib3's connections answer with its own class, not with http.client's.
        def getresponse(self) -> HTTPResponse:  # type: ignore[override]
            await_answer(self.sock)
            return super().getresponse()

    class SecureConnection(HTTPSConnection):
        # urllib3's connections answer with its own class, not with http.client's.
        def getresponse(self) -> HTTPResponse:  # type: ignore[override]
            await_answer(self.sock)
            return super().getresponse()

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    manager = urllib3.PoolManager(num_pools=1, maxsize=1, retries=False, timeout=_TIMEOUT)
    manager.pool_classes_by_scheme = {"http": Pool, "https": SecurePool}
    return manager


def check_target(url: str, api_key: str) -> None:
    """Raises InvalidConfiguration: no usable address or key."""
    _endpoint(url)
    _usable(api_key)


def _endpoint(url: str) -> str:
    parsed = urllib3.util.parse_url(url)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InvalidConfiguration("Give the API's address as url, such as https://analytics.example.com.")
    return url.rstrip("/") + PATH


def _usable(api_key: str) -> str:
    if not api_key or not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise InvalidConfiguration("Give a write key as api_key; `loopin keys create` makes one.")
    return api_key


def _body(records: Sequence[SpooledRecord]) -> bytes:
    """The request's JSON: the bodies as they are, without the project, which the key tells."""
    events = b",".join(_without_project(record.value) for record in records)
    now = msgspec.json.encode(time.time_ns() // 1_000_000)
    return b'{"events":[' + events + b'],"sent_at":' + now + b"}"


def _without_project(body: bytes) -> bytes:
    """Our encoder writes the project first, and its characters need no escapes."""
    return b"{" + body[body.index(b",") + 1 :]


def _failed(why: str, code: str) -> DeliveryFailed:
    return DeliveryFailed(f"Event not delivered: {why}; check the API's address.", kafka_error=code)
