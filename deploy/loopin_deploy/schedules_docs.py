"""Generates ``docs/schedules.md``: every task by the clock, and what became of those of the documents.

``python -m loopin_deploy.schedules_docs --write`` (or ``--check``), from the top of a checkout.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from loopin_schemas.json_schema import write_or_check
from loopin_sinks.tasks.catalogue import TASKS
from loopin_sinks.tasks.runner import TRIES
from loopin_streams.projects.project import Retention

FOLDER = Path("docs")


class Replaced(NamedTuple):
    """A task of the documents that nothing runs by the clock for, when it ran, and what is there instead."""

    name: str
    ran: str
    instead: str


REPLACED: Final[tuple[Replaced, ...]] = (
    Replaced(
        "update-daily-analytics",
        "every 30 minutes",
        "Nothing to update: a day's numbers are computed from the stored events when they are asked for "
        "(`/api/daily`, `/api/analytics/overview`, `/business`, `/metrics/{name}`), windows of the day are "
        "counted as events come, and days that are over are rolled up ([windows](windows.md)).",
    ),
    Replaced(
        "update-user-analytics",
        "every hour",
        "Profiles are kept as events come; `/api/user-analytics`, `/api/analytics/users` and `/users/{id}` "
        "compute the rest when asked ([resources](resources.md), [users](content.md)).",
    ),
    Replaced(
        "update-community-analytics",
        "every 15 minutes",
        "`/api/community-analytics/{id}/realtime` counts who is there at that moment "
        "([communities](communities.md)).",
    ),
    Replaced(
        "process-geo-restriction-analytics",
        "every 20 minutes",
        "`/api/geo-analytics/{id}/effectiveness` and `/report` compute it when asked.",
    ),
    Replaced(
        "update-system-metrics",
        "every 15 minutes",
        "System metrics are events (`system_metric`, `api_request`), stored and counted within seconds; each "
        "role measures itself and its host every minute (`LOOPIN_HOST_METRICS_INTERVAL_S`).",
    ),
    Replaced(
        "process-error-logs",
        "every 10 minutes",
        "Errors are events (`error_logged`, `$exception`), grouped as they come "
        "(`/api/errors/groups`, [resources](resources.md)).",
    ),
    Replaced(
        "cleanup-old-analytics",
        "daily at 02:00",
        "The store removes each row by itself once it is as old as its project keeps it: events "
        "`LOOPIN_RETENTION_DAYS` (90), values and windows of hours 365 days, longer ones 1095 days, each as "
        "its [project](projects.md) may have it; runs of tasks 90 days.",
    ),
    Replaced("cleanup_old_analytics_data", "daily", "The same."),
    Replaced(
        "cleanup-redis-analytics",
        "daily at 05:00",
        "There is no Redis. What streams remember is on Kafka topics, which the broker compacts, and windows "
        "leave their memory an hour, six hours or two days after their end.",
    ),
    Replaced(
        "process_user_events_batch",
        "for each batch",
        "The enrichment works on every event as it comes, exactly once ([guarantee](guarantee.md)).",
    ),
    Replaced(
        "generate-analytics-reports",
        "daily at 03:00",
        "`/api/analytics/business` computes a report of any time when asked; none is made and sent by itself "
        "yet.",
    ),
    Replaced(
        "generate-community-reports",
        "daily at 03:30",
        "`/api/community-analytics/{id}/report` computes it when asked; none is sent by itself yet.",
    ),
    Replaced(
        "generate-geo-effectiveness-reports",
        "daily at 04:00",
        "`/api/geo-analytics/{id}/report` computes it when asked; none is sent by itself yet.",
    ),
)
"""Every task of the documents that no task of ours names in its ``replaces``."""


class Setting(NamedTuple):
    """An interval or a retention of the documents, and what it is here."""

    name: str
    length: str
    here: str


SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("processing_interval", "60 s", "Events are enriched, counted and stored within seconds."),
    Setting(
        "refresh_interval",
        "300 s",
        "`/api/analytics/live` sends what is new each second; else ask when needed.",
    ),
    Setting("cache_timeout", "900 s", "No answer is kept: each is of the moment at which it is asked for."),
    Setting("raw_events", "90 days", "`LOOPIN_RETENTION_DAYS`, and by [project](projects.md)."),
    Setting("hourly_aggregates", f"{Retention().hourly} days", "Values of metrics and windows of hours."),
    Setting(
        "daily_aggregates",
        f"{Retention().daily} days",
        "Values and windows of days, weeks and months; rollups.",
    ),
    Setting(
        "retention_days, ANALYTICS_RETENTION_DAYS",
        "365 days",
        "In their place the three before: raw events for a shorter time, what they come to for a longer one.",
    ),
    Setting(
        "model_retraining_interval",
        "7 days",
        "Models of users are fitted anew each 7 days at least ([models](models.md)), those of "
        "[forecasts](forecasts.md) are chosen anew each night.",
    ),
    Setting(
        "prediction_horizon",
        "30 days",
        "Forecasts are of 30 days, or as many as are asked for; each target of [models](models.md) has "
        "its own.",
    ),
    Setting(
        "min_data_points",
        "100",
        "From fewer examples nothing answers but a heuristic, of fewer days forecasts are made by a rule; "
        "both say so.",
    ),
    Setting(
        "model_accuracy_threshold",
        "0.75",
        "Below that a heuristic answers in place of a model, and says so ([models](models.md)).",
    ),
)
"""Intervals and retention of document B, and of document A."""

_INTRODUCTION: Final = """\
# Schedules

Generated by `python -m loopin_deploy.schedules_docs --write`; edit the code that it names.

Little runs by the clock here: events are enriched, counted and stored as they come, and most answers are
computed from them when they are asked for. What does run is made by the process that holds partition 0 of the
sink (`loopin run sink`, or `store` on one machine), one run of a task at a time.

| Task | Due | What it does | Of the documents |
|---|---|---|---|
"""

_USE: Final = f"""\
Crontabs have five fields and go by the clocks of `LOOPIN_PROJECT_TIMEZONE`; those of a schedule whose
arguments name one project (`{{"projects": ["shop"]}}`) by that project's. A time that the clocks skip in
spring is made up for when they have been put forward; one that they show twice counts once. What is kept of
a project is computed in its own zone and money ([projects](projects.md)); where it has none of its own, in
those of the sink's settings, so give the roles `sink` and `api` the same.

## See and change them

```console
<capture>```

`loopin tasks` asks the API, with a key that has the scope `admin` (of whatever project: schedules are the
installation's): of the system on the data folder, or of the one that `--url` and `--key` name.

<commands>

Schedules are kept on the topic `config`, as keys and metrics of one's own are: several people may change
them at once, and whoever has not seen the other's change gets 409.

## What is promised

- A run is recorded in the table `task_runs` before it begins and when it ends: when it was due, began and
  ended, how many rows it wrote, its error in one sentence, and who asked for it.
- Runs of one task never overlap, whether they are due or asked for: the next one waits for the end.
- After downtime, what was missed is made up for once, however often it was.
- A run that goes on says so every 10 s, and how far it has come. Cancelled, it is broken off within a
  second; what it has done stays, and it is not begun again.
- A run whose process ends, or loses its partition, is `interrupted`, and begun again by whoever leads
  next, {TRIES} times in all at most; one that somebody asked for is not. A process that leads takes over
  after 3 s, in which the one before breaks off what it is doing. A run that is recorded as running and
  that nobody makes is ended by the next look of the process that leads, a second later.
- A task that fails stops no other, and waits for its next time. One that takes longer than an hour is
  broken off. `loopin_task_runs_total` counts what became of runs ([operations](operations.md)).

## How long metrics are kept

Events are kept for 90 days, so the value of every metric, your own included, is kept in the table
`metric_values` for as long as the documents say: 365 days by hour, 1095 days by day, week and month, or as a
[project](projects.md) has it; whole series without filters. `GET /api/analytics/metrics/{{name}}` and
`/api/analytics/business` tell these for whole periods that are over, in the project's own time zone, where
nothing is filtered or split, and the rest from the events; `data_source` and `calculated_at` say so. Where
events have come since, persons have merged, or the project has other rates or internal users by now, the
events are asked, until the value has been calculated again. Where they are gone, there is
a value over the whole time asked for if it is the sum of its periods (counts, sums, revenue, sessions) or
depends on the end only (users of trailing days, growth); else it is null.

Each hour, 5 minutes after periods end, `calculate_metrics` looks for periods without a value, however they
came to lack it (downtime, a pause, a metric that was refused, a run that was killed; another zone,
currency, rates or internal users of the [project](projects.md)), and computes them, as far as events and
rollups cover them. It computes values again whose events were stored, or whose
persons were merged, since they were calculated: for 35 days, where all events that they look back on are
still there; for two days otherwise; and once more when what they wait for is over (sessions a day,
retention after n days n days, later steps 14 days). One run computes about 50,000 values of a project, the
newest first; the next goes on. What became another value is noted with the run in the table
`metric_changes` for 90 days. By night all of the last 35 days are computed once more, for what leaves no
trace: clocks that went wrong. For what comes later still:

```bash
curl -X POST http://127.0.0.1:8000/api/analytics/metrics/calculate -H "Authorization: Bearer $KEY" \\
  -H 'Content-Type: application/json' -d '{{"names": ["revenue"], "from": "2026-01-01", "to": "2026-01-14"}}'
```

It answers what changed (`name`, `window`, `before`, `after`), needs the scope `write`, and refuses with
422 a time whose events are gone, naming the time that they cover, and more than 20,000 values (periods
times metrics) at once, with the code `TOO_MUCH_TO_CALCULATE`. It is a run of the task
`calculate_requested`: one that takes longer than 20 s is answered with 202 and goes on, `GET
/api/analytics/metrics/calculations/{{id}}` says how far it is and what it has changed, and `loopin tasks
cancel` ends it. Without `names` it computes all metrics, and lists as `skipped` those that look further
back than events are kept: they stay as they are.

## Tasks of the documents that nothing runs for

| Task | Ran | Instead |
|---|---|---|
"""

_COMMANDS: Final = (
    ("`loopin tasks list`", "`GET /api/analytics/tasks`", "schedules, their next and last runs"),
    (
        "`loopin tasks set NAME` with `--crontab '*/30 * * * *'`, `--every 15m`, `--arguments JSON`",
        "`PATCH /api/analytics/tasks/{name}`",
        "change one; running processes know within a second",
    ),
    (
        "`loopin tasks pause NAME`, `resume NAME`",
        "the same, with `paused`",
        "let it wait; what it misses meanwhile is not made up for",
    ),
    (
        "`loopin tasks add NAME --task TASK --every 1h`",
        "`POST /api/analytics/tasks`",
        "a further schedule of a task, with arguments of its own",
    ),
    (
        "`loopin tasks remove NAME`",
        "`DELETE /api/analytics/tasks/{name}`",
        "take it away, also where its task is gone; one that a task comes with is again as it comes",
    ),
    (
        "`loopin tasks run NAME`",
        "`POST /api/analytics/tasks/{name}/run`",
        "run it now, and wait; over HTTP, ask `/api/analytics/task-runs/{id}` then",
    ),
    ("`loopin tasks runs [NAME]`", "`GET /api/analytics/task-runs`", "what became of the newest runs"),
    (
        "`loopin tasks cancel RUN`",
        "`POST /api/analytics/task-runs/{id}/cancel`",
        "break a run off, or let it not begin",
    ),
)

_CAPTURE: Final = """\
$ loopin tasks list
┏━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━┳━━━━━━━━┳━━━━━━━┓
┃                         ┃                ┃ next run,   ┃        ┃       ┃
┃ schedule                ┃ due            ┃ last (UTC)  ┃   rows ┃ state ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━╇━━━━━━━━╇━━━━━━━┩
│ calculate_metrics       │ 5 * * * *      │ 11-30 04:05 │ 24,696 │ done  │
│                         │                │ 11-30 03:48 │        │       │
│ recalculate_metrics     │ 15 2 * * *     │ 12-01 02:15 │ 72,621 │ done  │
│                         │                │ 11-30 03:48 │        │       │
│ calculate_requested     │ when asked for │ -           │        │ -     │
│                         │                │ never       │        │       │
│ detect_anomalies        │ 10,40 * * * *  │ 11-30 04:10 │        │ -     │
│                         │                │ never       │        │       │
│ detect_live_anomalies   │ */5 * * * *    │ 11-30 03:50 │        │ -     │
│                         │                │ never       │        │       │
│ forecast_metrics        │ 40 0 * * *     │ 12-01 00:40 │    180 │ done  │
│                         │                │ 11-30 03:48 │        │       │
│ cluster_users           │ 40 3 * * *     │ 12-01 03:40 │      0 │ done  │
│                         │                │ 11-30 03:48 │        │       │
│ refresh_recommendations │ 50 3 * * *     │ 11-30 03:50 │     38 │ done  │
│                         │                │ 11-30 03:48 │        │       │
│ generate_insights       │ 20 */6 * * *   │ 11-30 06:20 │      5 │ done  │
│                         │                │ 11-30 03:49 │        │       │
│ rescore_sentiment       │ */10 * * * *   │ 11-30 03:50 │     29 │ done  │
│                         │                │ 11-30 03:48 │        │       │
│ clean_up_corrections    │ 30 4 * * *     │ 11-30 04:30 │      0 │ done  │
│                         │                │ 11-30 03:48 │        │       │
│ revenue_often           │ every 15 min   │ 11-30 04:00 │        │ -     │
│ (calculate_metrics)     │                │ never       │        │       │
└─────────────────────────┴────────────────┴─────────────┴────────┴───────┘
$ loopin tasks runs --limit 3
┏━━━━━━━┳━━━━━━━━━━━━━━┳━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┓
┃       ┃ began (UTC), ┃        ┃                                  ┃
┃ state ┃ took         ┃   rows ┃ run                              ┃
┡━━━━━━━╇━━━━━━━━━━━━━━╇━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┩
│ done  │ 11-30 03:49  │      5 │ generate_insights                │
│       │ 0.3 s        │        │ 01a22a926904647fc6925027435b816e │
│       │              │        │ by key bde88607aae57f2a          │
│ done  │ 11-30 03:48  │ 24,696 │ calculate_metrics                │
│       │ 30.5 s       │        │ 01a22a91ed9c95aae8fce68e42e0a605 │
│       │              │        │ by key bde88607aae57f2a          │
│ done  │ 11-30 03:48  │    180 │ forecast_metrics                 │
│       │ 4.1 s        │        │ 01a22a91d71f546be65418b6465bb106 │
│       │              │        │ by key bde88607aae57f2a          │
└───────┴──────────────┴────────┴──────────────────────────────────┘
"""


def page() -> str:
    """The whole page in Markdown."""
    rows = [_introduction(), *_tasks(), "", _use(), *_replaced(), "", *_settings()]
    return "\n".join(rows) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Write or check ``docs/schedules.md``."""
    return write_or_check({"schedules.md": page()}, FOLDER, "loopin_deploy.schedules_docs", argv)


def _introduction() -> str:
    return _INTRODUCTION.rstrip("\n")


def _tasks() -> Iterator[str]:
    for task in TASKS:
        of = ", ".join(f"`{name}`" for name in task.replaces) or "-"
        due = "when asked for" if task.when is None else f"`{task.when}`"
        yield f"| `{task.name}` | {due} | {task.description} | {of} |"


def _use() -> str:
    rows = ["| Command | HTTP | |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in _COMMANDS)]
    return _USE.replace("<capture>", _CAPTURE).replace("<commands>", "\n".join(rows)).rstrip("\n")


def _replaced() -> Iterator[str]:
    for each in REPLACED:
        yield f"| `{each.name}` | {each.ran} | {each.instead} |"


def _settings() -> Iterator[str]:
    yield "## Intervals and retention of the documents"
    yield ""
    yield "| Setting | There | Here |"
    yield "|---|---|---|"
    for each in SETTINGS:
        names = ", ".join(f"`{name}`" for name in each.name.split(", "))
        yield f"| {names} | {each.length} | {each.here} |"


if __name__ == "__main__":
    sys.exit(main())
