"""What the watcher tells Prometheus."""

from __future__ import annotations

from loopin_streams.instruments import Instrument

JUDGEMENTS = Instrument(
    "loopin_alert_judgements",
    "counter",
    "Alert rules judged by the store in this process, each project for itself.",
)
FAILURES = Instrument(
    "loopin_alert_judgement_failures",
    "counter",
    "Judgements that failed, because of the store (`store`) or of the rule itself (`rule`): the log says "
    "why, once. No alert ends by them.",
    ("reason",),
)
SECONDS = Instrument(
    "loopin_alert_judgement_seconds",
    "counter",
    "Time spent on these judgements, the store's included.",
)
LEFT_OUT = Instrument(
    "loopin_alerts_left_out",
    "counter",
    "Alerts that do not fire yet, because their project has 1,000 of the watcher's already, or all have "
    "10,000 and it has 10; the log names the project.",
)
FIRING = Instrument(
    "loopin_alerts_firing",
    "gauge",
    "Alerts of the watcher that are not over; absent in a process that leaves them to another.",
)
WATCH_FAILING = Instrument(
    "loopin_alert_watch_failing",
    "gauge",
    "1 while the watcher cannot work, the log says why; else 0.",
)

WATCH_METRICS = (JUDGEMENTS, FAILURES, SECONDS, LEFT_OUT, FIRING, WATCH_FAILING)
