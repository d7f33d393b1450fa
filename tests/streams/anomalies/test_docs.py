"""The page about anomalies says what the code does."""

from __future__ import annotations

from pathlib import Path

from loopin_streams.anomalies import cap, sessions, tails
from loopin_streams.anomalies.detector import LEARNED
from loopin_streams.anomalies.features import FEATURES
from loopin_streams.anomalies.rules import RULES, VERSION

PAGE = Path(__file__).parents[3] / "docs" / "anomalies.md"


def rows() -> list[str]:
    rules = [f"| `{r.name}` | {r.when} | {r.limit:,g} {r.unit} | {r.source} |" for r in RULES]
    return [*rules, *(f"| `{feature.name}` | {feature.about} |" for feature in FEATURES)]


def test_every_rule_and_number_is_in_the_tables_as_it_is() -> None:
    lines = PAGE.read_text().splitlines()
    found = [line for line in lines if line.startswith("| `")]
    assert found == rows()


def test_the_numbers_of_the_text_are_those_of_the_code() -> None:
    text = " ".join(PAGE.read_text().split())
    assert f"Version `{VERSION}`" in text
    assert LEARNED == 4
    assert f"at {sessions.LEAST} sessions" in text
    assert f"the newest {sessions.FITTED:,}" in text
    assert f"more than {sessions.MOST_ODD:.0%} of all".replace("%", " %") in text
    assert f"one session in {round(1 / tails.ALARMS):,}" in text
    assert f"and {cap.MOST} anomalies of a project in a minute" in text
