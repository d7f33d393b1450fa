"""The spool: order, bound, sharing by processes, and what kill -9 leaves."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import integers

from loopin_producers.spool import Spool, SpooledRecord
from loopin_producers.spool.folder import default_folder, folder_of, make_private
from loopin_producers.spool.writer_folder import bytes_below

MB = 1 << 20


def record(number: int, size: int = 100) -> SpooledRecord:
    return SpooledRecord(str(UUID(int=number)), number, b"shop:user", b"x" * size)


def records(*numbers: int) -> list[SpooledRecord]:
    return [record(number) for number in numbers]


def drained(spool: Spool, most: int = 7) -> list[int]:
    """The numbers of all records, delivered."""
    found: list[int] = []
    while (chunk := spool.next_chunk(most)) is not None:
        found += [one.captured_ns for one in chunk.records]
        spool.done(chunk)
    return found


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path / "spool")
    yield opened
    opened.close()


def test_records_come_back_in_order_and_once(spool: Spool, tmp_path: Path) -> None:
    assert spool.append(records(*range(5))) == 0
    assert spool.waiting == 5
    assert drained(spool) == [0, 1, 2, 3, 4]
    assert spool.empty
    spool.append(records(5))
    assert drained(spool) == [5]
    spool.tidy()
    assert bytes_below(tmp_path / "spool") == 0


def test_what_is_put_back_comes_first_even_after_the_clock_stepped_back(spool: Spool) -> None:
    spool.append(records(50, 51))
    assert spool.put_back(records(48, 49))
    assert spool.put_back(records(90))
    assert drained(spool) == [90, 48, 49, 50, 51]


def test_segments_follow_each_other(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", MB)
    for number in range(3000):
        spool.append([record(number)])
    assert len(list((tmp_path / "spool").glob("*/*.events"))) > 2
    assert drained(spool, 100) == list(range(3000))
    spool.close()
    assert list((tmp_path / "spool").glob("*/*")) == []


def test_bound_holds_for_all_processes_together_and_keeps_the_oldest(tmp_path: Path) -> None:
    spools = [Spool(tmp_path / "spool", MB) for _ in range(3)]
    kept: dict[Spool, list[int]] = {spool: [] for spool in spools}
    for number in range(9000):
        spool = spools[number % 3]
        if spool.append([record(number)]) == 0:
            kept[spool].append(number)
        assert bytes_below(tmp_path / "spool") <= MB
    total = sum(map(len, kept.values()))
    assert 0.8 * MB / 150 < total < 9000
    for spool in spools:
        assert drained(spool) == kept[spool]
        # Room again, for whoever comes next.
        assert spool.append(records(10_000)) == 0
        spool.close()


def test_batch_beyond_the_bound_is_kept_in_part_from_its_beginning(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", MB)
    lost = spool.append([record(number, 1000) for number in range(2000)])
    assert 0 < lost < 2000
    assert not spool.put_back([record(5000, 1000)] * 200)
    assert drained(spool) == list(range(2000 - lost))
    spool.close()


def test_full_disk_refuses_and_loses_nothing_else(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.append(records(1, 2))

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        assert spool.append(records(3, 4)) == 2
    spool.append(records(5))
    assert drained(spool) == [1, 2, 5]


def test_folder_is_private_and_must_be_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "spool").mkdir(mode=0o755)
    spool = Spool(tmp_path / "spool")
    spool.append(records(1))
    modes = {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in (tmp_path / "spool").rglob("*")}
    assert modes == {0}
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
    spool.close()
    (tmp_path / "link").symlink_to(tmp_path / "spool")
    with pytest.raises(PermissionError):
        make_private(tmp_path / "link")
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(PermissionError):
        make_private(tmp_path / "spool")


def test_folder_depends_on_where_events_go_and_hides_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {folder_of(tmp_path, destination) for destination in ("a secret-key", "b secret-key")}
    assert len(folders) == 2
    assert not any("secret" in str(folder) for folder in folders)
    monkeypatch.setenv("LOOPIN_SPOOL_DIR", str(tmp_path / "named"))
    assert default_folder() == tmp_path / "named"
    monkeypatch.delenv("LOOPIN_SPOOL_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "loopin" / "spool"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_folder() == tmp_path / ".local" / "state" / "loopin" / "spool"
    monkeypatch.setenv("HOME", "/")
    assert default_folder().name == f"loopin-spool-{os.getuid()}"


def test_living_processes_are_left_alone_and_the_dead_taken_over_whole(tmp_path: Path) -> None:
    living, dead = Spool(tmp_path / "spool"), Spool(tmp_path / "spool")
    living.append(records(1, 2))
    dead.append(records(3, 4))
    dead.put_back(records(0))
    third = Spool(tmp_path / "spool")
    assert not third.adopt()
    dead.close()
    assert third.adopt()
    third.append(records(9))
    assert not third.empty
    assert drained(third) == [0, 3, 4, 9]
    assert drained(living) == [1, 2]
    living.close()
    third.close()
    assert [path for path in (tmp_path / "spool").iterdir() if path.is_dir()] == []


def test_destroyed_file_is_kept_for_a_person_and_stops_nobody(tmp_path: Path) -> None:
    dead = Spool(tmp_path / "spool")
    dead.append(records(1))
    dead.close()
    (path,) = (tmp_path / "spool").glob("*/*.events")
    path.write_bytes(b"destroyed")
    heir = Spool(tmp_path / "spool")
    heir.adopt()
    heir.append(records(2))
    assert drained(heir) == [2]
    assert [found.read_bytes() for found in (tmp_path / "spool").glob("*/*.unreadable")] == [b"destroyed"]
    heir.close()
    assert not Spool(tmp_path / "spool").adopt()


WRITER = """
import sys
from pathlib import Path
from tests.producers.spool.test_spool import record
from loopin_producers.spool import Spool
spool = Spool(Path(sys.argv[1]), int(sys.argv[2]))
number = int(sys.argv[3])
while True:
    spool.append([record(number)])
    print(number, flush=True)
    number += 1
"""


def test_what_was_written_survives_kill_9_of_several_processes(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), str(64 * MB), str(begin)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for begin in (1_000_000, 2_000_000, 3_000_000)
    ]
    said: list[list[int]] = [[] for _ in writers]

    def listen(index: int) -> None:
        for line in writers[index].stdout or ():
            said[index].append(int(line))
            if len(said[index]) == 2000:
                writers[index].send_signal(signal.SIGKILL)

    listeners = [threading.Thread(target=listen, args=(index,)) for index in range(3)]
    for listener in listeners:
        listener.start()
    for listener in listeners:
        listener.join()
    assert [writer.wait() for writer in writers] == [-signal.SIGKILL] * 3
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.close()
    heir = Spool(folder)
    assert heir.adopt()
    found = drained(heir, 500)
    for numbers in said:
        # All that was said to be written, in order; at most the one that was being written besides.
        mine = [number for number in found if number // 1_000_000 == numbers[0] // 1_000_000]
        assert mine[: len(numbers)] == numbers
        assert mine == list(range(numbers[0], numbers[0] + len(mine)))
    heir.close()


def test_forked_child_lets_go_of_its_parents_files(tmp_path: Path) -> None:
    """Or they would stay locked after the parent's death, as long as the child lives."""
    spool = Spool(tmp_path / "spool")
    spool.append(records(1, 2))
    go_on, ready = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(go_on[1])
        spool.abandon()
        own = spool.append(records(7)) == 0 and drained(spool) == [7]
        os.write(ready[1], b"x")
        os.read(go_on[0], 1)
        os._exit(0 if own else 1)
    os.read(ready[0], 1)
    spool.close()
    heir = Spool(tmp_path / "spool")
    heir.adopt()
    found = drained(heir)
    heir.close()
    for end in (*go_on, *ready):
        os.close(end)
    assert os.waitpid(child, 0)[1] == 0
    assert found == [1, 2]


class SpoolMachine(RuleBasedStateMachine):
    """Any order of writing, reading, dying and taking over delivers each record once, in order."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._spool = Spool(Path(self._folder.name) / "spool")
        self._next = 1_000_000
        self._expected: list[int] = []
        self._delivered: list[int] = []

    @rule(count=integers(1, 40))
    def append(self, count: int) -> None:
        numbers = list(range(self._next, self._next + count))
        assert self._spool.append(records(*numbers)) == 0
        self._next += count
        self._expected += numbers

    @rule(count=integers(1, 20))
    def put_back(self, count: int) -> None:
        if self._spool.empty:
            numbers = list(range(self._next, self._next + count))
            assert self._spool.put_back(records(*numbers))
            self._next += count
            self._expected += numbers

    @rule(most=integers(1, 30))
    def deliver(self, most: int) -> None:
        if (chunk := self._spool.next_chunk(most)) is not None:
            self._delivered += [one.captured_ns for one in chunk.records]
            self._spool.done(chunk)

    @rule()
    def read_and_die(self) -> None:
        """What was read but not acknowledged is read again by the heir."""
        self._spool.next_chunk(10)
        self._spool.close()
        self._spool = Spool(Path(self._folder.name) / "spool")
        self._spool.adopt()

    @precondition(lambda self: self._spool.empty)
    @rule()
    def tidy(self) -> None:
        self._spool.tidy()

    @invariant()
    def delivered_is_a_beginning_of_what_was_written(self) -> None:
        assert self._delivered == self._expected[: len(self._delivered)]

    def teardown(self) -> None:
        assert self._delivered + drained(self._spool) == self._expected
        self._spool.close()
        self._folder.cleanup()


TestSpoolMachine = SpoolMachine.TestCase
TestSpoolMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
