"""Generates ``docs/metrics.md``, the catalogue for people.

``python -m loopin_schemas.metrics.markdown --write`` (or ``--check``), from the top of a checkout.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from loopin_schemas.json_schema import write_or_check
from loopin_schemas.metrics import CATALOGUE, Metric
from loopin_schemas.metrics.metric import VISIT
from loopin_schemas.metrics.stream import series_of

FOLDER: Final = Path("docs")

_INTRODUCTION: Final = """\
# Metrics

Generated from the catalogue in `loopin_schemas.metrics`; edit it there.

What holds for all of them:

- Users are persons: what an id did before it was known whose it is counts for the person. Bots, and the
  project's own people, are left out unless they are asked for.
- A user is active with any event but those of the system group (`api_request`, `system_metric`,
  `error_logged`).
- Hours, days, weeks (from Monday) and months are those of the project's time zone. `dau`, `wau`, `mau`,
  `stickiness`, `total_users`, `churn_rate`, `host_dropout_rate`, growth, verification and profile
  completion are told as of a period's end; the others are of what happened within it.
- A session is a person's active events of one session's id; without an id, without a pause of more than
  30 minutes. It belongs to the period in which it began, and is followed for a day beyond the period's end:
  no client keeps an id for longer.
- Each can be split and filtered by country, region, city, device, browser, os, platform, campaign and
  persona, and by what its row adds; rows with a dash, by nothing. Series are told by hour, day, week and
  month; those with * not by hour.
- Those with + are live, too: the stream adds them up within a second, and rules on them alert
  within seconds ([windows](windows.md)).
- A split or filter goes by the event's own property; of a session by its first event's, of steps that
  follow each other by the first step's. A persona is its person's: the property `persona`
  ([properties](identity.md#properties)) as it is now, for all that the person has ever done.
- A ratio of nothing, a mean of nothing and a percentile of nothing are null, not 0. A percentile is
  exact: of n values in order, the one after the first floor(level * n).
- `high_churn_share` is of the users who have a score just now: it is calculated until six hours after a
  period's end, and then stays as it was kept.
- A platform event took place once its start has come, unless the last `event_cancelled` or
  `event_published` before then is the former, whoever sent it (bots and the project's own people, too).
- Money is in the project's currency. Other currencies are converted by the rate that held on the day;
  amounts for which there is no rate are told beside, never added, and those of a trillion or more are a
  client's error.
- Growth compares the month so far with as many days of the month before; of a day that is not over, up to
  the same time.
"""

_KINDS: Final = {"kpi": "Key performance indicators", "kri": "Key risk indicators", "kr": "Key results"}
_UNITS: Final = {"money": "project's currency", "stars": "1-5", "compound": "-1 to 1"}


def page() -> str:
    """The whole page in Markdown."""
    sections = [_INTRODUCTION]
    for kind, title in _KINDS.items():
        sections.append(f"## {title}\n")
        found = [metric for metric in CATALOGUE if metric.kind == kind]
        for category, metrics in groupby(sorted(found, key=_category), key=_category):
            sections.append(_table(category, metrics))
    return "\n".join(sections)


def main(argv: Sequence[str] | None = None) -> int:
    """Write or check ``docs/metrics.md``."""
    return write_or_check({"metrics.md": page()}, FOLDER, "loopin_schemas.metrics.markdown", argv)


def _category(metric: Metric) -> str:
    return metric.category


def _table(category: str, metrics: Iterable[Metric]) -> str:
    title = category[0].upper() + category[1:]
    head = "| Metric | Unit | Better | Meaning | Warning / critical | Target | Also by | Owner |"
    return "\n".join([f"### {title}", "", head, "|---" * 8 + "|", *map(_row, metrics), ""])


def _row(metric: Metric) -> str:
    limits = "" if metric.warning is None else f"{metric.warning:g} / {metric.critical:g}"
    target = "" if metric.target is None else f"{metric.target:g}"
    more = [each for each in metric.dimensions if each not in VISIT]
    cells = (
        f"`{metric.name}`" + _marks(metric),
        _UNITS.get(metric.unit, metric.unit),
        metric.better,
        metric.description,
        limits,
        target,
        ", ".join(more) if metric.dimensions else "-",
        metric.owner,
    )
    return f"| {' | '.join(cells)} |"


def _marks(metric: Metric) -> str:
    marks = ("" if "hour" in metric.grains else "*") + ("+" if series_of(metric) is not None else "")
    return f" {marks}" if marks else ""


if __name__ == "__main__":
    sys.exit(main())
