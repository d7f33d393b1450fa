"""The matrix's short form: three cases of 5,000 events each, 15,000 in all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.case import Case, run_case
from tests.faults.cases import CASES

pytestmark = pytest.mark.scenario

EVENTS = 5_000
SHORT = ("worker-kill-commit", "sink-kill", "broker-unclean")
"""One for each part of the system that can be killed."""


@pytest.mark.parametrize("case", [case for case in CASES if case.name in SHORT], ids=lambda case: case.name)
def test_nothing_is_lost_doubled_or_wrong(case: Case, tmp_path: Path) -> None:
    row, notes = run_case(case, EVENTS, 4, tmp_path)

    assert row.good, (row, notes)
    assert row.published > EVENTS
