"""Calls ``capture()`` and times each call: ``python -m tests.bench.timed_capture BOOTSTRAP PREFIX CALLS``."""

from __future__ import annotations

import sys
from time import monotonic, perf_counter_ns, sleep

import numpy as np

from loopin_producers import Loopin
from tests.bench.messages import PROJECT
from tests.bench.subject import end_with_the_bench, say

RATE = 1_000
WARM_UP = 200
QUANTILES = (50, 99, 99.9)
PROPERTIES = {"event_id": "event-17", "amount": 12.5, "currency": "EUR", "payment_method": "card"}


def main(bootstrap: str, prefix: str, calls: int) -> None:
    client = Loopin(bootstrap, PROJECT, topic_prefix=prefix, disabled=False, config={"log_level": 0})
    taken = np.zeros(calls)
    began = monotonic()
    for call in range(calls):
        if (wait := began + call / RATE - monotonic()) > 0:
            sleep(wait)
        before = perf_counter_ns()
        client.capture("ticket_purchased", f"member-{call % 1000:04d}", PROPERTIES)
        taken[call] = perf_counter_ns() - before
    more = {f"p{q}_us": float(np.percentile(taken[WARM_UP:], q)) / 1000 for q in QUANTILES}
    say("done", more=more)
    client.shutdown(0)


if __name__ == "__main__":
    end_with_the_bench()
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
