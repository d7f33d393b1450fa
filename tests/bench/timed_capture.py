"""Calls ``capture()`` and times each call: ``python -m tests.bench.timed_capture CALLS OPTIONS [KILL]``.

OPTIONS are the client's, as JSON. With KILL the process kills itself after the last call, as kill -9 would.
"""

from __future__ import annotations

import os
import signal
import sys
from time import monotonic, perf_counter_ns, sleep

import msgspec
import numpy as np

from loopin_producers import Loopin
from tests.bench.messages import PROJECT
from tests.bench.subject import end_with_the_bench, say

RATE = 1_000
WARM_UP = 200
QUANTILES = (50, 99, 99.9)
PROPERTIES = {"event_id": "event-17", "amount": 12.5, "currency": "EUR", "payment_method": "card"}


def main(calls: int, options: str, kill: bool) -> None:
    client = Loopin(project=PROJECT, disabled=False, config={"log_level": 0}, **msgspec.json.decode(options))
    say("ready")
    taken = np.zeros(calls)
    began = monotonic()
    for call in range(calls):
        if (wait := began + call / RATE - monotonic()) > 0:
            sleep(wait)
        before = perf_counter_ns()
        client.capture("ticket_purchased", f"member-{call % 1000:04d}", PROPERTIES)
        taken[call] = perf_counter_ns() - before
    if kill:
        os.kill(os.getpid(), signal.SIGKILL)
    more = {f"p{q}_us": float(np.percentile(taken[WARM_UP:], q)) / 1000 for q in QUANTILES}
    say("done", more=more, dropped=client.stats().dropped)
    client.shutdown(0)


if __name__ == "__main__":
    end_with_the_bench()
    main(int(sys.argv[1]), sys.argv[2], len(sys.argv) > 3)
