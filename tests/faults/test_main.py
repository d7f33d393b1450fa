"""The matrix's command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.faults import __main__ as command
from tests.faults.__main__ import main
from tests.faults.case import Case, Row
from tests.faults.cases import CASES


def test_the_list_shows_each_case_and_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0

    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown] == [case.name for case in CASES]
    assert all(case.help in line for case, line in zip(CASES, shown, strict=True))


def test_only_a_part_of_the_matrix_keeps_the_rows_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "faults.json"
    monkeypatch.setattr(command, "RESULTS", results)
    monkeypatch.setattr(command, "_run", good_row)
    results.write_text(json.dumps([good_row(CASES[0])._asdict()]))

    def cases() -> list[str]:
        return [row["case"] for row in json.loads(results.read_text())]

    assert main(["--cases", CASES[1].name]) == 0
    assert cases() == [CASES[0].name, CASES[1].name]
    monkeypatch.setattr(command, "CASES", CASES[2:])
    assert main([]) == 0
    assert cases() == [case.name for case in CASES[2:]]


def good_row(case: Case, events: int = 0, seed: int = 0) -> Row:
    return Row(case.name, 1, 0, 0, 0, 0, 0, 0.0)


def test_an_unknown_case_is_refused_before_anything_runs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--cases", "poison,worker-hugs"])

    assert ended.value.code == 2
    assert "no such case: worker-hugs" in capsys.readouterr().err
