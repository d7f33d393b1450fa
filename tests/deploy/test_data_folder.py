from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from loopin_deploy.data_folder import holder, open_data_folder
from loopin_deploy.errors import DeployError, cannot_write

OPEN = """
import sys
from pathlib import Path
from loopin_deploy.data_folder import open_data_folder
with open_data_folder(Path(sys.argv[1])):
    print("open", flush=True)
    input()
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_folder_and_its_parts_are_the_users_own(tmp_path: Path) -> None:
    with open_data_folder(tmp_path / "deep" / "data") as folder:
        parts = (folder.path, folder.kafka, folder.store, folder.logs, folder.progress)
        assert [mode(part) for part in parts] == [0o700] * 5
        assert folder.secrets.parent == folder.path


def test_a_folder_that_was_there_keeps_its_rights_and_its_parts_are_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    with open_data_folder(tmp_path) as folder:
        assert mode(tmp_path) == 0o755
        assert mode(folder.store) == 0o700


def test_a_second_process_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OPEN, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == "open\n"
        assert holder(tmp_path) == other.pid
        with pytest.raises(DeployError, match=f"in use by process {other.pid}") as raised:
            open_data_folder(tmp_path).__enter__()
        other.kill()

    assert raised.value.code == "data_folder_in_use"
    assert holder(tmp_path) is None
    with open_data_folder(tmp_path):
        assert holder(tmp_path) == os.getpid()
    assert holder(tmp_path) is None


def test_nobody_holds_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert holder(tmp_path / "none") is None


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(DeployError, match="cannot be written") as raised:
        open_data_folder(tmp_path / "file" / "data").__enter__()

    assert raised.value.code == "folder_not_writable"


def test_a_nearly_full_disk_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage(NamedTuple):
        free: int

    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(free=5 << 20))

    with pytest.raises(DeployError, match="has 5 MB left") as raised:
        open_data_folder(tmp_path).__enter__()

    assert raised.value.code == "disk_full"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "disk_full"),
        (errno.EDQUOT, "disk_full"),
        (errno.EROFS, "folder_not_writable"),
        (errno.EACCES, "folder_not_writable"),
    ],
)
def test_a_failed_write_is_told_apart_by_its_cause(tmp_path: Path, number: int, code: str) -> None:
    assert cannot_write(tmp_path, OSError(number, os.strerror(number))).code == code
