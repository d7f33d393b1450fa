from __future__ import annotations

from pathlib import Path

import pytest

from loopin_producers.replay.errors import ReplayError
from loopin_producers.replay.progress import Progress, load_progress, save_progress


def test_survives_a_round_trip_in_a_new_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "progress.json"
    assert load_progress(path, "abc", "shop") is None
    progress = Progress(file_sha256="abc", project="shop", shift_ms=-5, acknowledged=7, bad=1, rows=9)
    save_progress(path, progress)
    save_progress(path, progress)
    assert load_progress(path, "abc", "shop") == progress
    assert [file.name for file in path.parent.iterdir()] == ["progress.json"]


@pytest.mark.parametrize(
    ("acknowledged", "rows", "complete"), [(7, 9, False), (9, 9, True), (9, None, False), (0, 0, True)]
)
def test_complete_once_every_row_is_dealt_with(acknowledged: int, rows: int | None, complete: bool) -> None:
    progress = Progress(file_sha256="", project="", shift_ms=0, acknowledged=acknowledged, rows=rows)
    assert progress.complete is complete


def test_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ReplayError, match="writable"):
        save_progress(tmp_path / "file" / "progress.json", Progress(file_sha256="", project="", shift_ms=0))
