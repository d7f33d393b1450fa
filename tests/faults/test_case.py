"""How a case ends that cannot be played."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loopin_deploy.errors import DeployError
from tests.faults import case as case_module
from tests.faults.case import Case, run_case
from tests.faults.processes import NotInTime, Refused


@pytest.mark.parametrize(
    "error",
    [
        NotInTime("after 300 s still not: worker1 is ready"),
        Refused("worker1 refused to go on: ..."),
        DeployError("kafka_not_ready", None, "Kafka does not answer after 300 s."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_system_that_does_not_start_is_a_failing_row_that_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    @contextmanager
    def never_running(*_: object) -> Iterator[None]:
        raise error
        yield

    monkeypatch.setattr(case_module, "running_system", never_running)
    row, notes = run_case(Case("worker-kill", "", lambda _: None), 10, 4, tmp_path)
    assert row.case == "worker-kill"
    assert not row.good
    assert notes == [f"It did not start: {error}"]
