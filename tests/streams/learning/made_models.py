"""Models, standings and pins as they travel, in plain JSON."""

from __future__ import annotations

import json
from typing import Any

from loopin_schemas.config import config_key
from loopin_streams.learning.targets import CHURN
from tests.streams.kafka.configured import Record

FEATURES = len(CHURN.features)


def linear(**changed: Any) -> dict[str, Any]:
    return {
        "type": "linear", "bias": 0.1, "weights": [0.5, -0.25] * (FEATURES // 2) + [0.1] * (FEATURES % 2),
        "centre": [0.0] * FEATURES, **changed,
    }  # fmt: skip


def tree(
    feature: Any = (0, -1, 1, -1, -1),
    threshold: Any = (0.5, 0.0, -1.0, 0.0, 0.0),
    left: Any = (1, 1, 3, 3, 4),
    right: Any = (2, 1, 4, 3, 4),
    value: Any = (0.5, 0.2, 0.7, 0.6, 0.9),
) -> list[Any]:
    return [feature, threshold, left, right, value]


def forest(*trees: Any, weights: Any = None) -> dict[str, Any]:
    given = list(trees) or [tree()]
    return {"type": "forest", "trees": given, "weights": [1.0] * len(given) if weights is None else weights}


def model(version: int = 1, scorer: Any = None, **changed: Any) -> dict[str, Any]:
    return {
        "project": "demo", "target": "churn", "version": version, "method": "logistic",
        "scorer": linear() if scorer is None else scorer, "slope": 1.0, "intercept": 0.0,
        "made_at": 1_795_000_000_000 + version, "examples": 100 * version, "positives": 20 * version,
        **changed,
    }  # fmt: skip


def quality(**changed: Any) -> dict[str, Any]:
    return {
        "number": 900, "positives": 180, "auc": 0.86, "log_loss": 0.41, "calibration_error": 0.02,
        "precision_top": 0.7, "accuracy": 0.83, **changed,
    }  # fmt: skip


def standing(version: int | None = 1, answers: str = "model", **changed: Any) -> dict[str, Any]:
    return {
        "project": "demo", "target": "churn", "answers": answers, "champion": "logistic", "version": version,
        "rule": [1.0, 0.0], "qualities": {"logistic": quality()}, "delayed": True, "drifts": 2,
        "shifted": {"days_away": 0.31, "joins": 0.05}, "score_shift": 0.07, "examples": 1_500,
        "at": 1_795_000_000_000, **changed,
    }  # fmt: skip


def version_record(offset: int = 0, **fields: Any) -> Record:
    body = model(**fields)
    key = f"{body['project']}:{body['target']}:{body['version']}"
    return Record(key.encode(), json.dumps({"model": body, "version": 1}).encode(), offset)


def standing_record(offset: int = 0, **fields: Any) -> Record:
    body = standing(**fields)
    key = f"{body['project']}:{body['target']}"
    return Record(key.encode(), json.dumps({"standing": body, "version": 1}).encode(), offset)


def pin_record(version: int, project: str = "demo", target: str = "churn") -> Record:
    id = f"{project}:{target}"
    body = {"project": project, "target": target, "version": version}
    value = {"kind": "model_pin", "id": id, "version": f"v{version}", "by": "root", "body": body}
    return Record(config_key("model_pin", id), json.dumps(value).encode())
