"""The matrix's table and file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.faults.case import Row
from tests.faults.cases import CASES
from tests.faults.report import header, line, write

GOOD = Row("worker-kill", 100_123, 0, 0, 0, 0, 0, 3.25)


def test_a_row_stands_below_its_columns() -> None:
    assert header() == (
        "case                     published   lost double"
        " wrong windows wrong profiles wrong persons recovery s"
    )
    assert line(GOOD) == (
        "worker-kill                100,123      0      0"
        "             0              0             0        3.2"
    )


def test_what_is_not_known_is_no_zero() -> None:
    broken_off = Row("worker-kill")

    assert line(broken_off).split() == ["worker-kill", "0", "?", "?", "?", "?", "?", "?"]
    assert not broken_off.good


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(GOOD._replace(lost=1), id="lost"),
        pytest.param(GOOD._replace(double=1), id="double"),
        pytest.param(GOOD._replace(wrong_windows=1), id="window"),
        pytest.param(GOOD._replace(wrong_profiles=1), id="profile"),
        pytest.param(GOOD._replace(wrong_persons=1), id="person"),
    ],
)
def test_any_difference_is_bad(bad: Row) -> None:
    assert GOOD.good
    assert not bad.good


def test_a_case_that_never_recovered_is_bad() -> None:
    assert not GOOD._replace(recovery_s=None).good


def test_the_file_is_a_list_of_objects(tmp_path: Path) -> None:
    write([GOOD], tmp_path / "build" / "faults.json", ["worker-kill"])

    assert json.loads((tmp_path / "build" / "faults.json").read_text()) == [
        {
            "case": "worker-kill",
            "published": 100_123,
            "lost": 0,
            "double": 0,
            "wrong_windows": 0,
            "wrong_profiles": 0,
            "wrong_persons": 0,
            "recovery_s": 3.25,
        }
    ]


def test_a_later_run_replaces_its_own_rows_only(tmp_path: Path) -> None:
    path, order = tmp_path / "faults.json", ["first", "worker-kill", "last"]
    write([GOOD, GOOD._replace(case="first"), GOOD._replace(case="gone")], path, [*order, "gone"])

    write([GOOD._replace(published=9), GOOD._replace(case="last")], path, order)

    rows = [(row["case"], row["published"]) for row in json.loads(path.read_text())]
    assert rows == [("first", 100_123), ("worker-kill", 9), ("last", 100_123)]


def test_rows_of_before_lose_what_a_row_has_no_more(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text(json.dumps([GOOD._replace(case="first")._asdict() | {"seed": 4}]))

    write([GOOD], path, ["first", "worker-kill"])

    assert all(tuple(row) == Row._fields for row in json.loads(path.read_text()))


def test_what_a_row_of_before_did_not_look_at_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    before = GOOD._replace(case="first")._asdict()
    del before["wrong_persons"]
    path.write_text(json.dumps([before]))

    write([GOOD], path, ["first", "worker-kill"])

    assert [row["wrong_persons"] for row in json.loads(path.read_text())] == [None, 0]


def test_cases_have_names_of_their_own() -> None:
    names = [case.name for case in CASES]

    assert len(set(names)) == len(names)
    assert all("," not in name for name in names)
