"""docs/alerts.md says which rules are built in."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopin_schemas.alert_rules import BUILT_IN
from loopin_schemas.alert_rules.markdown import FILE, main, page, table

DOCS = Path(__file__).parents[2] / "docs"


def test_the_checked_in_table_is_current(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(DOCS.parent)
    assert main(["--check"]) == 0, capsys.readouterr().err


def test_each_rule_has_a_row_with_its_limits() -> None:
    rows = [row for row in table().splitlines() if row.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == [each.rule.name for each in BUILT_IN]
    by_name = {row.split("`")[1]: row for row in rows}
    assert (
        "| 15 or 60 minutes, 6 hours, 2 days | from 0.1 | from 0.2 | 20 |" in by_name["payment_failure_rate"]
    )
    assert "`invalid_ratio` by reason | 1 or 60 minutes | from 0.05 | from 0.5 |" in by_name["invalid_ratio"]
    assert "on `events` | 15 minutes | - | fewer than 1 | 600 |" in by_name["events_absent"]
    drop = by_name["registrations_drop"]
    assert "| 1 day | 50% less than a week ago | 80% less than a week ago | 20 |" in drop
    assert "| 4 sd more or less than usual | 6 sd more or less than usual |" in by_name["events_anomaly"]


def test_only_the_table_is_replaced() -> None:
    written = (DOCS / FILE).read_text(encoding="utf-8")
    assert page(written) == written
    assert page(written.replace(table(), "old\n")) == written
    with pytest.raises(ValueError, match="begins and ends"):
        page("# Alerts\n")
