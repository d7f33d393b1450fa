"""Records that somebody else answers for keep their order."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from loopin_producers import reserve as reserve_module
from loopin_producers.reserve import Reserve
from loopin_producers.spool import Spool
from loopin_producers.uuid7 import uuid7


def test_records_keep_their_order_though_the_clock_steps_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails is put back by its time, so that no time may come twice or go back."""
    reserve = Reserve("127.0.0.1:1", "loopin.", tmp_path, 1 << 20)
    uuids = [uuid7.text() for _ in range(12)]
    with monkeypatch.context() as patch:
        clock = iter([5_000, 5_001, 100, 5_004])
        patch.setattr(reserve_module, "time", SimpleNamespace(time_ns=lambda: next(clock)))
        for start in range(0, 12, 3):
            assert reserve.keep([(uuid, b"shop:user", b"{}") for uuid in uuids[start : start + 3]]) == 3
    assert reserve.close(0) == 12
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    heir = Spool(folder)
    assert heir.adopt()
    chunk = heir.next_chunk(100)
    assert chunk is not None
    times = [one.captured_ns for one in chunk.records]
    assert [one.uuid for one in chunk.records] == uuids
    assert all(earlier < later for earlier, later in zip(times, times[1:], strict=False))
    heir.close()
