"""The stores of a partition's state: on disk as in memory."""

from __future__ import annotations

import random
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from loopin_streams.state.keyed_store import SAMPLES, DiskStore, KeyedStore, MemoryStore

KEYS = [b"demo:u%d" % number for number in range(12)] + [b"", b"\0", "demo:ü".encode(), b"k" * 2000]


@pytest.fixture(params=["memory", "compressed", "disk"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyedStore]:
    made: KeyedStore
    match request.param:
        case "memory":
            made = MemoryStore()
        case "compressed":
            made = MemoryStore(samples=1)
        case _:
            made = DiskStore(tmp_path / "store", 1)
    yield made
    made.close()


def test_an_empty_store_holds_nothing(store: KeyedStore) -> None:
    assert len(store) == 0
    assert store.get([]) == []
    assert store.get([b"a", b"b"]) == [None, None]
    store.put([])
    store.delete(b"a")
    assert len(store) == 0


def test_values_come_back_in_the_order_asked_for(store: KeyedStore) -> None:
    store.put([(b"a", b"1"), (b"b", b""), (b"", b"3")])
    assert store.get([b"b", b"none", b"", b"a", b"a"]) == [b"", None, b"3", b"1", b"1"]
    assert len(store) == 3


def test_a_key_counts_once_however_often_it_is_put(store: KeyedStore) -> None:
    store.put([(b"a", b"1"), (b"a", b"2")])
    store.put(iter([(b"a", b"3"), (b"b", b"1"), (b"b", b"2")]))
    assert (len(store), store.get([b"a", b"b"])) == (2, [b"3", b"2"])
    store.delete(b"a")
    store.delete(b"a")
    assert (len(store), store.get([b"a"])) == (1, [None])


def test_what_is_known_is_told_without_its_value(store: KeyedStore) -> None:
    store.put([(b"a", b"1"), (b"b", b"")])
    assert store.known([b"b", b"none", b"a", b"a"]) == [True, False, True, True]


@pytest.mark.parametrize("length", [0, 1, 300, 5_000])
def test_values_that_are_all_alike_come_back_too(length: int) -> None:
    store = MemoryStore()
    store.put((b"%d" % at, b"x" * length) for at in range(SAMPLES + 10))
    assert set(store.get([b"%d" % at for at in range(SAMPLES + 10)])) == {b"x" * length}


def test_what_values_have_in_common_is_held_once() -> None:
    """By the interpreter's own account of its memory."""
    common = random.Random(3).randbytes(200)
    values = {b"member-%07d" % at: common + random.Random(at).randbytes(16) for at in range(20_000)}
    tracemalloc.start()
    store = MemoryStore()
    try:
        store.put((key, bytes(bytearray(value))) for key, value in values.items())
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    # The bytes object of the value alone would take 249; beside it comes its place in the dict.
    assert taken / len(values) < 160
    assert dict(store.items()) == values


def test_what_lies_in_the_folder_is_not_looked_at(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    killed = DiskStore(folder, 1)
    killed.put([(b"a", b"1")])
    killed._db.close()
    (folder / "left").write_text("by another")
    store = DiskStore(folder, 1)
    assert (len(store), store.get([b"a"])) == (0, [None])
    assert not (folder / "left").exists()
    store.close()


def test_closing_leaves_nothing_on_disk(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "store", 1)
    store.put((b"%d" % at, b"x" * 1000) for at in range(1000))
    store.close()
    assert list(tmp_path.iterdir()) == []


FULL = """
import os, resource, sys
from pathlib import Path
from loopin_streams.state.keyed_store import DiskStore
folder = Path(sys.argv[1])
store = DiskStore(folder, 1)
# A file that may not grow stands for a disk that is full.
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
try:
    while True:
        store.put((os.urandom(16), os.urandom(1000)) for _ in range(1000))
except OSError as error:
    kept = error
store.close()
print("full:", kept, folder.exists())
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
again = DiskStore(folder, 1)
again.put([(b"a", b"1")])
print("again:", again.get([b"a"]))
again.close()
"""


def test_a_full_disk_is_the_disks_error_and_the_store_opens_again_when_there_is_room(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL, str(tmp_path / "store")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    full, again = done.stdout.splitlines()
    assert full.startswith("full: IO error: ")
    assert full.endswith(" False")
    assert again == "again: [b'1']"


class SameAnswers(RuleBasedStateMachine):
    """A plain dict, the store in memory, compressed or not, and the store on disk, told the same things."""

    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.plain: dict[bytes, bytes] = {}
        self.memory = MemoryStore()
        self.compressed = MemoryStore(samples=3)
        self.disk = DiskStore(self.folder / "state", 1)

    @rule(items=st.lists(st.tuples(st.sampled_from(KEYS), st.binary(max_size=50)), max_size=20))
    def put(self, items: list[tuple[bytes, bytes]]) -> None:
        self.plain.update(items)
        self.memory.put(items)
        self.compressed.put(iter(items))
        self.disk.put(iter(items))

    @rule(key=st.sampled_from(KEYS))
    def delete(self, key: bytes) -> None:
        self.plain.pop(key, None)
        self.memory.delete(key)
        self.compressed.delete(key)
        self.disk.delete(key)

    @rule(keys=st.lists(st.sampled_from(KEYS), max_size=30))
    def get(self, keys: list[bytes]) -> None:
        wanted = [self.plain.get(key) for key in keys]
        assert self.memory.get(keys) == self.compressed.get(keys) == self.disk.get(keys) == wanted
        known = [one is not None for one in wanted]
        assert self.memory.known(keys) == self.compressed.known(keys) == self.disk.known(keys) == known

    @rule()
    def items(self) -> None:
        everything = sorted(self.plain.items())
        assert sorted(self.memory.items()) == sorted(self.disk.items()) == everything
        assert sorted(self.compressed.items()) == everything
        assert sorted(self.compressed.keys()) == sorted(self.disk.keys()) == sorted(self.plain)

    @invariant()
    def sizes_agree(self) -> None:
        assert len(self.memory) == len(self.compressed) == len(self.disk) == len(self.plain)

    def teardown(self) -> None:
        self.memory.close()
        self.disk.close()


def test_memory_and_disk_give_the_same_answers_to_anything(tmp_path: Path) -> None:
    machine = type("SameAnswersThere", (SameAnswers,), {"folder": tmp_path})
    bounded = settings(max_examples=25, stateful_step_count=25, deadline=None)
    run_state_machine_as_test(machine, settings=bounded)
