"""docs/models.md says what the code does: its targets, features, thresholds, alerts."""

from __future__ import annotations

import re
from pathlib import Path

from loopin_schemas.alert_rules.models import MODELS, SHIFTED_FROM
from loopin_streams.learning.candidates import BLENDS, CANDIDATES
from loopin_streams.learning.features import CONTRAST_NAMES
from loopin_streams.learning.heuristics import PRIOR_DAYS, PRIOR_JOINS, USUAL_ATTENDANCE, USUAL_PURCHASES
from loopin_streams.learning.model_health import LEAST_FOR_SHIFT
from loopin_streams.learning.targets import LEAST_EXAMPLES, LEAST_OF_EACH, TARGETS, THRESHOLD
from loopin_streams.train.absorber import VERSIONS

PAGE = (Path(__file__).parents[3] / "docs/models.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("| ").split(" | ")] for line in PAGE.splitlines() if line[:1] == "|"
]


def test_the_targets_are_those_of_the_code() -> None:
    quality = {"auc": "AUC", "accuracy": "accuracy"}
    expected = [
        [
            f"`{target.name}`",
            target.help,
            f"{target.horizon_days} days",
            f"{quality[target.quality]} {THRESHOLD}",
            ", ".join(f"`{name}`" for name in target.candidates),
        ]
        for target in TARGETS
    ]
    assert [row for row in ROWS if len(row) == 5 and row[0] in {one[0] for one in expected}] == expected
    assert {name for target in TARGETS for name in target.candidates} <= CANDIDATES.keys() | BLENDS.keys()


def test_each_feature_is_in_one_row() -> None:
    named = [name for row in ROWS if len(row) == 2 for name in re.findall(r"`([a-z_0-9]+)`", row[0])]
    of_features = [name for name in named if name in CONTRAST_NAMES]
    assert sorted(of_features) == sorted(CONTRAST_NAMES)


def test_thresholds_and_alerts_are_those_of_the_code() -> None:
    assert (
        f"Below {LEAST_EXAMPLES} examples, before {LEAST_OF_EACH} outcomes of either kind are known" in PAGE
    )
    assert f"while what answers is below {THRESHOLD}" in PAGE
    assert f"drawn to one in {1 / USUAL_PURCHASES:.0f} days as by {PRIOR_DAYS} earlier days" in PAGE
    assert (
        f"drawn to {USUAL_ATTENDANCE:.0%}".replace("%", " %") + f" as by {PRIOR_JOINS} earlier joins" in PAGE
    )
    assert f"the {VERSIONS} newest stay on the topic" in PAGE
    assert f"an index of the scores of {SHIFTED_FROM}" in PAGE
    assert f"{LEAST_FOR_SHIFT:,} examples or more" in PAGE
    alerts = {row[0].strip("`") for row in ROWS if len(row) == 2 and row[0].startswith("`model")}
    assert alerts == {one.rule.name for one in MODELS}
