"""docs/events.md is what the catalogue says."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopin_schemas.catalogue import CATALOGUE
from loopin_schemas.catalogue.markdown import main, page

DOCS = Path(__file__).parents[3] / "docs"


def test_the_checked_in_page_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", "--folder", str(DOCS)]) == 0, capsys.readouterr().err


def test_each_event_has_one_row() -> None:
    rows = page().splitlines()
    for event in CATALOGUE:
        assert sum(row.startswith(f"| `{event.name}` |") for row in rows) == 1


def test_rows_name_requirements_and_privacy() -> None:
    assert "**`amount`** number (money)" in page()
    assert "`text` text, never stored" in page()
    assert "Order Completed (segment)" in page()
