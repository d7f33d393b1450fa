"""Publishes events at a given rate: ``python -m tests.bench.paced_producer BOOTSTRAP TOPIC RATE EVENTS``.

Events go straight to the client library with the SDK's options, so that the producer costs little of the two
cores. A producer that is far behind its schedule gives up: ``done`` says how many events it has ``sent``.
"""

from __future__ import annotations

import sys
from time import monotonic, sleep, time

import numpy as np
from confluent_kafka import Producer

from loopin_producers.channel import producer_config
from tests.bench.messages import Messages, lines, produce
from tests.bench.subject import end_with_the_bench, say

AHEAD_S = 1.0
"""From the first word to the first event."""

FLUSH_S = 30.0
GIVE_UP_S = 30.0
"""It goes on for so long after the last event was due."""

TICK_S = 0.002
"""The producer wakes so often and sends what is due."""


def main(bootstrap: str, topic: str, rate: int, events: int) -> None:
    producer = Producer(producer_config(bootstrap, 100_000, {"log_level": 0}))
    started, first_ms = monotonic() + AHEAD_S, (time() + AHEAD_S) * 1000
    say("began", scheduled_ms=first_ms)
    give_up = started + events / rate + GIVE_UP_S
    delays = np.zeros(events)
    sent = 0
    for number, (key, body) in enumerate(lines(Messages(events, 0, seed=7))):
        due = started + number / rate
        if monotonic() > give_up:
            break
        while (wait := due - monotonic()) > 0:
            producer.poll(0)
            sleep(min(wait, TICK_S))
        delays[number] = -wait * 1000
        produce(producer, topic, key, timed(body, int(first_ms + number * 1000 / rate)))
        sent += 1
    seconds = monotonic() - started
    sent -= producer.flush(FLUSH_S)
    say("done", sent=sent, sent_per_s=sent / seconds, delay_p99_ms=float(np.percentile(delays, 99)))


def timed(body: bytes, scheduled_ms: int) -> bytes:
    """A message's body as of its scheduled time, and valid."""
    head, name, rest = body.replace(b'"null"', b'"member-0"').partition(b'"timestamp":')
    return b'%b%b%d,"queued_at":%d,%b' % (head, name, scheduled_ms, scheduled_ms, rest.partition(b",")[2])


if __name__ == "__main__":
    end_with_the_bench()
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
