"""The matrix's command line."""

from __future__ import annotations

import pytest

from tests.faults.__main__ import main
from tests.faults.cases import CASES


def test_the_list_shows_each_case_and_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0

    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown] == [case.name for case in CASES]
    assert all(case.help in line for case, line in zip(CASES, shown, strict=True))


def test_an_unknown_case_is_refused_before_anything_runs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--cases", "poison,worker-hugs"])

    assert ended.value.code == 2
    assert "no such case: worker-hugs" in capsys.readouterr().err
