"""What the trainer's tests share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loopin_streams.learning.targets import CHURN
from loopin_streams.train import absorber as train_absorber


@pytest.fixture(autouse=True)
def few_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Churn has the fast ones only."""
    fast = replace(CHURN, candidates=("logistic", "online_logistic"))
    monkeypatch.setitem(train_absorber._TARGETS, "churn", fast)
