from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.evaluate.part import Figure, Section, Table
from tests.evaluate.report import write_report


def section(value: float, met: bool) -> Section:
    # What comes of numpy is none of Python's numbers, whatever its types say.
    held: Any = np.bool_(met)
    figures = (Figure("AUC", np.float64(value), ">= 0.85", held, "By a model."), Figure("users", 1421))
    return Section("Churn", True, "Who leaves.", figures, (Table(("a", "b"), (("x", "1"),), "All:"),))


def test_figures_and_page_say_the_same(tmp_path: Path) -> None:
    page, figures = tmp_path / "evaluation.md", tmp_path / "build" / "evaluation.json"
    found = {"churn": [section(0.9, True), section(0.8, False)]}
    write_report(found, ["2,000 users, seed 1", "2,000 users, seed 2"], page, figures)
    shown = page.read_text()
    assert "World 1: 2,000 users, seed 1; world 2: 2,000 users, seed 2." in shown
    assert "| AUC | 0.900 | 0.800 | >= 0.85 | met in some |" in shown
    assert "| users | 1,421 | 1,421 |  |  |" in shown
    assert shown.count("By a model.") == 1
    written = json.loads(figures.read_text())["parts"]["churn"]
    assert [one["figures"][0]["met"] for one in written] == [True, False]
    assert written[0]["figures"][0]["value"] == 0.9
