"""What ``loopin alerts`` shows on a terminal of 80 columns."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from loopin_deploy.commands.alert_tables import alert_table, rule_table, silence_table
from loopin_schemas.alert_rules import BUILT_IN
from tests.deploy.columns_80 import lines

NOW = datetime(2026, 11, 29, 16, tzinfo=UTC)
ALERT = "shop:payment_failure_rate:1795969320000"
SILENCE = "01a2281d-0aa5-76ed-9ff9-80cb96fbec43"


def test_the_id_to_acknowledge_is_in_one_piece() -> None:
    alert: dict[str, Any] = {
        "id": ALERT,
        "severity": "critical",
        "state": "acknowledged",
        "silenced": True,
        "opened_at": "2026-11-28T16:00:00Z",
        "message": "payment_failure_rate of project shop is 12.5% over 15 minutes (limit 10.0%).",
    }
    shown = lines(alert_table([alert], NOW))
    assert any(ALERT in line for line in shown)
    assert any("payment_failure_rate of project shop" in line for line in shown)
    assert any("acknowledged" in line for line in shown)
    assert any("(silenced)" in line for line in shown)


def test_a_silence_says_what_it_is_of_and_why() -> None:
    silence: dict[str, Any] = {
        "id": SILENCE,
        "state": "scheduled",
        "rule": "payment_failure_rate",
        "severity": None,
        "dimensions": {"country": "IN"},
        "ends_at": "2026-11-29T18:22:01.637Z",
        "changed_by": "key 3d0991e5a2673271",
        "comment": "The bank is being moved to another bank, and that takes a while.",
    }
    shown = lines(silence_table([silence]))
    for said in (SILENCE, "payment_failure_rate, country=IN", "key 3d0991e5a2673271", "2026-11-29 18:22:01"):
        assert any(said in line for line in shown), said
    last_column = " ".join(line.strip("│ ").rpartition("│")[2].strip() for line in shown)
    assert silence["comment"] in last_column


def test_rules_names_are_in_one_piece() -> None:
    rules = [
        {
            "name": rule.name,
            "metric": rule.metric,
            "condition": {"type": "threshold", "direction": "above", "warning": 0.1, "critical": 0.25},
            "grain": rule.grain,
            "spans": list(rule.spans),
            "longer": [{"grain": span.grain, "windows": span.windows} for span in rule.longer],
            "by": rule.by,
            "enabled": rule.enabled,
            "built_in": True,
            "replaces_built_in": False,
        }
        for rule in (each.rule for each in BUILT_IN)
    ]
    shown = lines(rule_table(rules))
    for rule in (each.rule for each in BUILT_IN):
        assert any(f"│ {rule.name} " in line for line in shown), rule.name
    assert len(shown) <= 5 * len(rules)
    assert any("on events" in line for line in shown)
    assert any("by reason" in line for line in shown)
    assert not any("on payment_failure_rate" in line for line in shown)
