"""What the roles with an API have in common: the client they publish with, and what health asks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import structlog

from loopin_api.health import Component, Probe
from loopin_api.settings import ApiSettings, ConfigurationError
from loopin_deploy.consumers import GROUPS
from loopin_producers import Loopin
from loopin_producers.errors import InvalidConfiguration
from loopin_producers.reserve import Reserve
from loopin_streams.kafka.lag import LagWatch
from loopin_streams.kafka.settings import KafkaSettings

SPOOL_GRACE_S: Final = 2.0
"""How long what is kept on disk is delivered before the process ends, in seconds; the next one goes on."""

log = structlog.get_logger(__name__)

_ANY_PROJECT = "loopin"
"""The API names the project with each event; the client needs one all the same."""


@contextmanager
def kafka_client(settings: KafkaSettings, timeout_s: float) -> Iterator[Loopin]:
    """A client of the broker, whose queue is flushed at the end.

    What is not acknowledged after ``timeout_s`` is given up: its sender was told to send it again, and a
    record that goes out minutes later would make the wait look like an error of its sender's clock.
    """
    client = Loopin(
        settings.kafka_bootstrap,
        project=_ANY_PROJECT,
        topic_prefix=settings.topic_prefix,
        disabled=False,
        config={"message.timeout.ms": max(1000, round(timeout_s * 1000))},
    )
    try:
        yield client
    finally:
        client.shutdown()


@contextmanager
def spool(settings: KafkaSettings, api: ApiSettings) -> Iterator[Reserve | None]:
    """What keeps events while the broker is away, if the settings want that; it is closed at the end.

    Raises:
        ConfigurationError: the folder cannot be used.
    """
    if api.ingest_spool_dir is None:
        yield None
        return
    try:
        reserve = Reserve(
            settings.kafka_bootstrap,
            settings.topic_prefix,
            api.ingest_spool_dir,
            api.ingest_spool_bytes,
            given_up=lambda uuid, error: log.error("event_given_up", uuid=uuid, reason=error.reason),
        )
    except InvalidConfiguration:
        raise ConfigurationError(
            f"Set LOOPIN_INGEST_SPOOL_DIR to a folder that can be written: {api.ingest_spool_dir} cannot."
        ) from None
    try:
        yield reserve
    finally:
        if waiting := reserve.close(SPOOL_GRACE_S):
            log.warning("events_wait_on_disk", events=waiting, folder=str(api.ingest_spool_dir))


def lag_probes(watch: LagWatch, failing: Callable[[], str | None] = lambda: None) -> Mapping[str, Probe]:
    """Health of the roles ``stream`` and ``sink``: how far their consumers are behind, and whether they move.

    ``failing`` is what the sink says of itself, where it is in this process.
    """

    def probe(role: str, says: Callable[[], str | None]) -> Probe:
        consumers = [group.consumer for group in GROUPS if group.role == role]

        async def ask() -> Component:
            lags = [watch.lag(consumer) for consumer in consumers]
            known = [lag for lag in lags if lag is not None]
            reason = says() or watch.unready(consumers)
            if len(known) < len(lags):
                return Component(ok=False, reason=reason)
            return Component(
                ok=reason is None,
                lag=sum(lag.events for lag in known),
                lag_s=max(lag.seconds for lag in known),
                reason=reason,
            )

        return ask

    return {"stream": probe("stream", lambda: None), "sink": probe("sink", failing)}


async def run_together(stop: asyncio.Event, *parts: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run the parts of a role until all have stopped; one that fails stops the others, and raises."""
    running = [asyncio.ensure_future(part(stop)) for part in parts]
    done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_EXCEPTION)
    failed = next((part for part in done if part.exception() is not None), None)
    if failed is not None:
        stop.set()
    await asyncio.wait(running)
    for part in [failed] if failed is not None else running:
        part.result()
