"""The spool: order, bound, sharing by processes, and what kill -9 leaves."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import integers

from loopin_producers.spool import Spool, SpooledRecord
from loopin_producers.spool.folder import (
    Destination,
    default_folder,
    describe,
    description,
    folder_of,
    kin,
    make_private,
    unread,
)
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
    assert spool.put_back(records(48, 49)) == 2
    assert spool.put_back(records(90)) == 1
    assert drained(spool) == [90, 48, 49, 50, 51]


def test_segments_follow_each_other(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", MB)
    for number in range(3000):
        spool.append([record(number)])
    assert len(list((tmp_path / "spool").glob("*/*.events"))) > 2
    assert drained(spool, 100) == list(range(3000))
    spool.close()
    assert list((tmp_path / "spool").glob("*/*")) == []


@pytest.mark.scenario
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
    assert drained(spool) == list(range(2000 - lost))
    spool.close()


def test_what_is_put_back_keeps_its_order_over_many_files_and_its_oldest_stay(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", MB)
    spool.append([record(10_000)])
    kept = spool.put_back([record(number, 1000) for number in range(2000)])
    assert 0.8 * MB / 1100 < kept < 2000
    assert bytes_below(tmp_path / "spool") <= MB
    assert spool.waiting == kept + 1
    # What is behind those that had no room waits for them.
    assert drained(spool, 100) == list(range(kept))
    assert spool.at_gap
    more = spool.put_back([record(number, 1000) for number in range(kept, 2000)])
    assert more > 0
    assert drained(spool, 100) == list(range(kept, kept + more))
    if kept + more < 2000:
        spool.close_gap()
    assert not spool.at_gap
    assert drained(spool) == [10_000]
    assert spool.empty
    spool.close()


def test_heir_finds_the_oldest_first_though_not_all_had_room(tmp_path: Path) -> None:
    dead = Spool(tmp_path / "spool", MB)
    dead.append([record(10_000 + number, 1000) for number in range(400)])
    kept = dead.put_back([record(number, 1000) for number in range(1000)])
    assert 0 < kept < 1000
    dead.close()
    heir = Spool(tmp_path / "spool", MB)
    heir.adopt()
    assert drained(heir, 100) == [*range(kept), *range(10_000, 10_400)]
    heir.close()


PUTS_BACK = """
import sys
from pathlib import Path
from tests.producers.spool.test_spool import MB, bytes_below, record
from loopin_producers.spool import Spool
folder, begin = Path(sys.argv[1]), int(sys.argv[2])
spool = Spool(folder, MB)
print("ready", flush=True)
sys.stdin.readline()
print(spool.put_back([record(begin + number, 1000) for number in range(600)]), bytes_below(folder))
sys.stdin.readline()
spool.close()
"""


@pytest.mark.scenario
def test_processes_that_put_back_at_once_stay_within_the_bound_and_count_what_they_wrote(
    tmp_path: Path,
) -> None:
    folder, begins = tmp_path / "spool", (1_000_000, 2_000_000, 3_000_000, 4_000_000)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", PUTS_BACK, str(folder), str(begin)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for begin in begins
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    kept: list[int] = []
    for writer in writers:
        assert writer.stdout is not None
        written, size = map(int, writer.stdout.readline().split())
        kept.append(written)
        assert size <= MB
    for writer in writers:
        writer.communicate("end\n")
    heir = Spool(folder, MB)
    heir.adopt()
    found = drained(heir, 100)
    assert 0.7 * MB / 1100 < len(found) < 2400
    for begin, written in zip(begins, kept, strict=True):
        assert [one for one in found if one // 1_000_000 == begin // 1_000_000] == list(
            range(begin, begin + written)
        )
    heir.close()


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
    by_key = [Destination.http(url, None, "secret-key") for url in ("http://a", "http://b")]
    by_key.append(Destination.http("http://a", None, "secret-too"))
    assert len({folder_of(tmp_path, destination) for destination in by_key}) == 3
    assert "secret" not in f"{by_key}{Destination.http('http://me:secret@a/', 'shop', 'secret')}"
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


def test_folder_stays_when_the_key_or_the_order_of_the_brokers_changes() -> None:
    assert Destination.http("http://a/", "shop", "old") == Destination.http("http://me:pw@a", "shop", "new")
    assert Destination.http("http://a", "shop", "key") != Destination.http("http://a", "bakery", "key")
    assert Destination.kafka("b:2, a:1", "t") == Destination.kafka("a:1,b:2,a:1", "t")
    assert Destination.kafka("a:1", "t") != Destination.kafka("a:1", "u")


def at(root: Path, destination: Destination) -> Spool:
    """The spool of a destination, as a client opens it."""
    folder = folder_of(root, destination)
    describe(folder, destination)
    return Spool(folder, MB, lambda: kin(root, destination))


def test_what_waits_for_a_cluster_is_found_after_a_broker_was_added(tmp_path: Path) -> None:
    for number, (brokers, topic) in enumerate([("a:1,b:1", "t"), ("a:1", "other"), ("c:1", "t")]):
        left = at(tmp_path, Destination.kafka(brokers, topic))
        left.append(records(number))
        left.close()
    heir = at(tmp_path, Destination.kafka("d:1,b:1", "t"))
    heir.adopt()
    assert drained(heir) == [0]
    heir.close()


def test_other_users_folder_is_nobodys_kin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at(tmp_path, Destination.kafka("a:1", "t")).close()
    wider = Destination.kafka("a:1,b:1", "t")
    assert len(kin(tmp_path, wider)) == 1
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert kin(tmp_path, wider) == []


def test_events_that_nobody_reads_are_found_once_their_writer_is_gone(tmp_path: Path) -> None:
    old, now = Destination.kafka("old:1", "t"), time.time()
    spool = at(tmp_path, old)
    spool.append(records(1))
    new = Destination.kafka("new:1", "t")
    assert unread(tmp_path, new, now + 7200) == []
    spool.close()
    assert unread(tmp_path, new, now) == []
    assert unread(tmp_path, new, now + 7200) == [folder_of(tmp_path, old)]
    assert description(folder_of(tmp_path, old)) == "kafka t old:1"
    assert unread(tmp_path, old, now + 7200) == []


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


def left(root: Path, *numbers: int) -> Path:
    """The file that a process which has ended left its records in."""
    dead = Spool(root)
    dead.append(records(*numbers))
    dead.close()
    (path,) = root.glob("*/*.events")
    return path


def unreadable(spool: Spool) -> tuple[list[int], int]:
    """The numbers of all records, delivered, and how many are said to be lost."""
    found: list[int] = []
    lost = 0
    while (chunk := spool.next_chunk(7)) is not None:
        found += [one.captured_ns for one in chunk.records]
        lost += chunk.unreadable
        spool.done(chunk)
    return found, lost


@pytest.mark.parametrize("content", [b"destroyed", b"", b"\0" * 5000])
def test_destroyed_file_is_reported_kept_for_a_person_and_stops_nobody(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    left(tmp_path / "spool", 1).write_bytes(content)
    heir = Spool(tmp_path / "spool")
    heir.adopt()
    heir.append(records(2))
    assert unreadable(heir) == ([2], 1)
    assert [found.read_bytes() for found in (tmp_path / "spool").glob("*/*.unreadable")] == [content]
    assert sum(".unreadable" in entry.getMessage() for entry in caplog.records) == 1
    heir.tidy()
    # It takes no room from those that can be delivered.
    assert bytes_below(tmp_path / "spool") == 0
    heir.close()
    assert not Spool(tmp_path / "spool").adopt()


@pytest.mark.parametrize("kind", ["directory", "symlink", "other name"])
def test_what_is_no_file_of_the_spool_stops_nobody(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = left(tmp_path / "spool", 1)
    first = path.with_name(f"{0:020d}.events")
    if kind == "directory":
        (first / "below").mkdir(parents=True)
    elif kind == "symlink":
        first.symlink_to("/dev/null")
    else:
        path.with_name("note.events").write_bytes(b"?")
    heir = Spool(tmp_path / "spool")
    assert heir.adopt()
    heir.append(records(2))
    assert unreadable(heir) == ([1, 2], 0)
    assert sum(".unreadable" in entry.getMessage() for entry in caplog.records) == (kind != "other name")
    heir.close()


def test_too_many_open_files_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left(tmp_path / "spool", 1)
    heir = Spool(tmp_path / "spool")
    heir.adopt()

    def none_left(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", none_left)
        with pytest.raises(OSError, match="Too many"):
            heir.next_chunk(7)
    assert drained(heir) == [1]
    heir.close()


def test_ended_process_says_how_many_records_its_last_file_has(tmp_path: Path) -> None:
    path = left(tmp_path / "spool", *range(50))
    os.truncate(path, path.stat().st_size // 2)
    heir = Spool(tmp_path / "spool")
    heir.adopt()
    found, lost = unreadable(heir)
    assert found == list(range(len(found)))
    assert len(found) + lost == 50
    heir.close()


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
            assert self._spool.put_back(records(*numbers)) == count
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
