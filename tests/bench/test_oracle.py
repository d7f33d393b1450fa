"""The oracle, on events counted by hand; and the systems' shared logic, against the oracle."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import oracle, whole
from tests.bench.messages import Messages, read_messages, write_messages
from tests.bench.purchases import Cell, decode_event, purchase_of

START_MS = 1_790_000_040_000

BY_HAND = (
    '{"event":"ticket_purchased","distinct_id":"a","timestamp":60000,"properties":{"country":"DE","amount":2.5}}',
    '{"event":"ticket_purchased","distinct_id":"a","timestamp":69999,"properties":{"country":"DE","amount":1.0}}',
    '{"event":"ticket_purchased","distinct_id":"b","timestamp":70000,"properties":{"country":"FR","amount":4.0}}',
    '{"event":"payment_refunded","distinct_id":"b","timestamp":60001,"properties":{"country":"DE","amount":1.0}}',
    '{"event":"event_reviewed","distinct_id":"c","timestamp":119999,"properties":{"country":"DE","text":"great"}}',
    '{"event":"$pageview","distinct_id":"null","timestamp":60000,"properties":{"country":"DE"}}',
)
GREAT = 0.6249
"""VADER's compound of "great", as its lexicon has it: 3.1 / sqrt(3.1^2 + 15)."""


@pytest.fixture
def by_hand(tmp_path: Path) -> Path:
    path = tmp_path / "messages"
    path.write_text("".join(f"key\t{body}\n" for body in BY_HAND))
    return path


@pytest.fixture
def made(tmp_path: Path) -> Path:
    path = tmp_path / "messages"
    write_messages(Messages(3000, START_MS), path)
    return path


def test_names_are_counted(by_hand: Path) -> None:
    assert oracle.names(by_hand) == {
        "ticket_purchased": 3,
        "payment_refunded": 1,
        "event_reviewed": 1,
        "$pageview": 1,
    }


def test_purchases_fall_into_windows_of_ten_seconds(by_hand: Path) -> None:
    assert oracle.purchases(by_hand) == {
        ("ticket_purchased", 60_000): (2, 3.5, 1),
        ("ticket_purchased", 70_000): (1, 4.0, 1),
        ("payment_refunded", 60_000): (1, 1.0, 1),
    }


def test_the_whole_job_leaves_invalid_events_out(by_hand: Path) -> None:
    found = oracle.whole(by_hand)

    assert found.rows == {
        "ticket_purchased": (3, 2, 7.5, 0.0),
        "payment_refunded": (1, 1, 1.0, 0.0),
        "event_reviewed": (1, 1, 0.0, GREAT),
    }
    assert found.windows == {
        ("event", "ticket_purchased", 60_000): (3, 7.5, 0, 0.0, 2),
        ("event", "payment_refunded", 60_000): (1, -1.0, 0, 0.0, 1),
        ("event", "event_reviewed", 60_000): (1, 0.0, 1, GREAT, 1),
        ("country", "DE", 60_000): (4, 2.5, 1, GREAT, 3),
        ("country", "FR", 60_000): (1, 4.0, 0, 0.0, 1),
    }


def test_the_shared_windows_of_purchases_are_the_oracles(made: Path) -> None:
    cells: dict[tuple[str, int], Cell] = {}
    for _, body in read_messages(made):
        if purchase := purchase_of(decode_event(body)):
            cells.setdefault((purchase.event, purchase.start), Cell()).add(purchase)

    found = {window: (cell.count, cell.sum, len(cell.users)) for window, cell in cells.items()}
    assert found == oracle.purchases(made)


def test_the_peers_rows_and_windows_are_the_oracles(made: Path) -> None:
    rows: dict[str, int] = {}
    cells: dict[tuple[str, str, int], whole.Cell] = {}
    for _, body in read_messages(made):
        if event := whole.enrich(body, START_MS):
            rows[event.event] = rows.get(event.event, 0) + 1
            measured = whole.measure(event)
            for series in measured.series:
                cells.setdefault((*series, measured.start), whole.Cell()).add(measured)

    expected = oracle.whole(made)
    assert rows == {name: count for name, (count, *_) in expected.rows.items()}
    assert {window: _numbers(cell) for window, cell in cells.items()} == {
        window: pytest.approx(numbers) for window, numbers in expected.windows.items()
    }


def _numbers(cell: whole.Cell) -> tuple[float, ...]:
    return cell.count, cell.revenue, cell.scored, cell.mood, len(cell.users)
