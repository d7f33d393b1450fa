"""Asks the broker, or the HTTP API, whether it can be reached, without sending anything."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import urllib3
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient


class Unreachable(Exception):
    """One sentence that says what to do."""


def reached(arguments: Mapping[str, Any], topic: str, timeout_s: float) -> str:
    """One sentence on who answered.

    Args:
        arguments: the client's; what they leave out it takes from the environment, and so does this.
        topic: where the client publishes to.

    Raises:
        Unreachable: nobody answers within ``timeout_s``, or not as expected.
    """
    if url := api_url(arguments):
        _ask(f"{url.rstrip('/')}/healthz", timeout_s)
        return f"The API at {url} answers."
    servers = (
        arguments.get("bootstrap_servers") or os.environ.get("LOOPIN_KAFKA_BOOTSTRAP") or "127.0.0.1:9092"
    )
    count = _partitions(servers, topic, arguments.get("config") or {}, timeout_s)
    return f"The broker at {servers} answers; topic {topic} has {count} partitions."


def api_url(arguments: Mapping[str, Any]) -> str | None:
    """Where the client of these arguments sends to over HTTP; None if it talks to the broker."""
    own = None if arguments.get("bootstrap_servers") else os.environ.get("LOOPIN_URL")
    return arguments.get("url") or own


def _partitions(servers: str, topic: str, config: Mapping[str, Any], timeout_s: float) -> int:
    # Log lines of librdkafka would stand between ours; the answer says what is wrong.
    admin = AdminClient({**config, "bootstrap.servers": servers, "log_level": 0})
    try:
        topics = admin.list_topics(timeout=timeout_s).topics
    except KafkaException as error:
        raise Unreachable(
            f"No broker answers at {servers} within {timeout_s:g} s ({error.args[0].name()}): start it, or "
            "correct LOOPIN['BOOTSTRAP_SERVERS']."
        ) from error
    if topic not in topics:
        raise Unreachable(f"The broker at {servers} has no topic {topic}: run `loopin topics apply`.")
    return len(topics[topic].partitions)


def _ask(url: str, timeout_s: float) -> None:
    try:
        with urllib3.PoolManager() as pool:
            status = pool.request("GET", url, timeout=timeout_s, retries=False).status
    except urllib3.exceptions.HTTPError as error:
        raise Unreachable(
            f"{url} does not answer ({type(error).__name__}): start the API, or correct LOOPIN['URL']."
        ) from error
    if status != 200:
        raise Unreachable(f"{url} answered {status}: correct LOOPIN['URL'], or look at the API's log.")
