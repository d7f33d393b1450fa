"""docs/metrics.md is what the catalogue says."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopin_schemas.metrics import CATALOGUE
from loopin_schemas.metrics.markdown import main, page

DOCS = Path(__file__).parents[3] / "docs"


def test_the_checked_in_page_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", "--folder", str(DOCS)]) == 0, capsys.readouterr().err


def test_each_metric_has_one_row_with_what_people_ask_for() -> None:
    rows = [row for row in page().splitlines() if row.startswith("| `")]
    assert len(rows) == len(CATALOGUE)
    [failure] = [row for row in rows if "`payment_failure_rate`" in row]
    assert "| ratio | lower |" in failure
    assert "| 0.1 / 0.2 |" in failure
    [dau] = [row for row in rows if row.startswith("| `dau` *+ |")]
    assert dau.endswith("| growth |")
