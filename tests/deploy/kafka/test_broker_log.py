from __future__ import annotations

from pathlib import Path

import pytest

from loopin_deploy.kafka.broker_log import last_error, tail

INFO = "2026-11-20T13:00:00.000+0000 INFO starting (KafkaServer)"
ERROR = "2026-11-20T13:00:01.000+0000 ERROR Exiting Kafka due to fatal exception (Kafka$)"
NO_CLASS = "Error: Could not find or load main class kafka.Kafka"


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ([], "it wrote no log"),
        ([INFO], INFO),
        ([ERROR, INFO], ERROR),
        ([INFO, ERROR, "java.io.IOException: disk", "\tat Kafka.main"], "java.io.IOException: disk"),
        ([ERROR, "a.B: outer", "Caused by: c.D: in", "Caused by: e.F: inmost"], "Caused by: e.F: inmost"),
        ([INFO, NO_CLASS], NO_CLASS),
    ],
)
def test_last_error_is_the_innermost_text(lines: list[str], error: str) -> None:
    assert last_error(lines) == error


def test_tail_starts_where_told_unless_the_file_was_replaced(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"old\none\ntwo\xff\nthree")

    assert tail(log, 2) == ["two\ufffd", "three"]
    assert tail(log, 9, start=4) == ["one", "two\ufffd", "three"]
    assert tail(log, 1, start=99) == ["three"]
    assert tail(tmp_path / "none", 1) == []
