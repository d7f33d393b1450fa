"""All profiles of a partition: what is saved, published and restored is the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.codec import encode
from loopin_schemas.habits import Habits, PastSessions, Prices, Spending
from loopin_schemas.profile import Profile, Session
from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.state import profiles as profiles_module
from loopin_streams.state.keyed_store import DiskStore, KeyedStore, MemoryStore
from loopin_streams.state.profiles import Profiles


@dataclass
class Kept:
    """A record of the topic ``profiles``."""

    key: bytes | None
    value: bytes | None
    offset: int = 0
    timestamp: int = 0


def profile(**fields: object) -> Profile:
    known: dict[str, object] = {
        **{"first_seen": 5, "last_seen": 7, "events": 2, "session": Session(5, 7, 2)},
        **{"active_day": 3, "active_days": b"\x01"},
    }
    return Profile(**(known | fields))  # type: ignore[arg-type]


@pytest.fixture(params=["memory", "disk"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyedStore]:
    made = MemoryStore() if request.param == "memory" else DiskStore(tmp_path / "store", 1)
    yield made
    made.close()


ms = st.integers(-(2**53), 2**53)
counts = st.dictionaries(st.text(max_size=9), st.integers(0, 2**40), max_size=4)
any_habits = st.builds(
    Habits,
    era=st.integers(0, 1_000),
    clock=st.binary(min_size=31, max_size=31).map(bytearray),
    actions=counts,
    event_types=counts,
    communities=counts,
    zone=st.sampled_from(["", "Asia/Kolkata"]),
    spending=st.none()
    | st.builds(
        Spending,
        bought=st.dictionaries(st.text(max_size=3), st.builds(Prices, ms, ms, ms, ms), max_size=2),
        failures=st.integers(0, 9),
        at=ms,
    ),
)
any_profile = st.builds(
    Profile,
    first_seen=ms,
    last_seen=ms,
    events=st.integers(0, 2**53),
    session=st.builds(Session, ms, ms, st.integers(0, 2**53)),
    active_day=st.integers(-800, 40_000),
    active_days=st.binary(max_size=16),
    sessions=st.integers(1, 2**53),
    revenue=st.dictionaries(st.text(max_size=5), st.integers(-(2**62), 2**62), max_size=4),
    habits=st.none() | any_habits,
    past=st.none() | st.builds(PastSessions, ms, ms, ms),
    looked_at=ms,
    # A user may have been counted in a thousand series of a window.
    counted=st.dictionaries(
        st.integers(0, 2**40), st.integers(0, 2**64) | st.integers(0, 2**1003), max_size=9
    ),
)


@given(st.dictionaries(st.binary(max_size=9), any_profile, max_size=6))
def test_what_was_saved_is_loaded_published_and_restored(known: dict[bytes, Profile]) -> None:
    saved, restored = Profiles(MemoryStore()), Profiles(MemoryStore())
    messages = saved.save(known.items())
    assert messages == [(key, encode(each)) for key, each in known.items()]
    restored.restore(Kept(key, value) for key, value in messages)
    restored.check()
    for profiles in (saved, restored):
        assert dict(profiles.messages()) == dict(messages)
        assert profiles.load(list(known)) == list(known.values())
        assert len(profiles) == len(known)


def test_who_is_known_and_who_is_not(store: KeyedStore) -> None:
    profiles = Profiles(store)
    profiles.save([(b"demo:u1", profile())])
    assert profiles.known([b"demo:u2", b"demo:u1"]) == [False, True]
    assert profiles.load([b"demo:u2", b"demo:u1"]) == [None, profile()]


def test_a_loaded_profile_is_the_callers_own_until_it_is_saved(store: KeyedStore) -> None:
    profiles = Profiles(store)
    profiles.save([(b"k", profile(revenue={"INR": 1}, counted={1: 1}))])
    [loaded] = profiles.load([b"k"])
    assert loaded
    loaded.events = 99
    loaded.revenue["INR"] = loaded.counted[1] = 99
    loaded.session.last = 99
    assert profiles.load([b"k"]) == [profile(revenue={"INR": 1}, counted={1: 1})]
    profiles.save([(b"k", loaded)])
    assert profiles.load([b"k"]) == [loaded]


def test_the_newest_record_of_a_key_counts_and_one_without_a_value_removes_it(store: KeyedStore) -> None:
    profiles = Profiles(store)
    old, new = encode(profile()), encode(profile(events=9))
    profiles.restore([Kept(b"a", old), Kept(b"b", old), Kept(b"c", old), Kept(b"a", new), Kept(b"b", None)])
    profiles.restore([Kept(b"c", None), Kept(b"d", None), Kept(b"d", old)])
    assert profiles.load([b"a", b"b", b"c", b"d"]) == [profile(events=9), None, None, profile()]
    assert len(profiles) == 2


@pytest.mark.parametrize(
    "value", [b"", b"{}", b"[]", b"\xff", b'{"first_seen":', encode(profile())[:-9], b"[" * 100_000]
)
def test_a_record_that_cannot_be_read_is_refused_with_its_offset(value: bytes) -> None:
    profiles = Profiles(MemoryStore())
    profiles.restore([Kept(b"b", encode(profile())), Kept(b"a", value, offset=41)])
    with pytest.raises(RefusedToOpen, match=r"offset 41 .*loopin state rebuild") as refusal:
        profiles.check()
    assert refusal.value.code == "state_unreadable"


def test_a_profile_that_is_saved_says_of_which_version_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    profiles = Profiles(MemoryStore())
    profiles.restore([Kept(b"a", encode(profile()))])
    monkeypatch.setattr(profiles_module, "STATE_VERSION", 2)
    [held] = profiles.load([b"a"])
    assert held is not None
    [(_, value)] = profiles.save([(b"a", held)])
    assert json.loads(value or b"")["version"] == 2


def test_a_newer_versions_record_is_refused() -> None:
    newer = json.dumps(json.loads(encode(profile())) | {"version": 2}).encode()
    profiles = Profiles(MemoryStore())
    profiles.restore([Kept(b"a", newer)])
    with pytest.raises(RefusedToOpen, match="newer version") as refusal:
        profiles.check()
    assert refusal.value.code == "state_version"


@pytest.mark.parametrize("mend", [encode(profile(events=9)), None])
@pytest.mark.parametrize("blocks", [1, 2])
def test_a_record_that_cannot_be_read_does_not_matter_once_a_newer_one_replaces_it(
    mend: bytes | None, blocks: int
) -> None:
    log = [Kept(b"a", encode(profile())), Kept(b"a", b"broken"), Kept(b"a", mend)]
    profiles = Profiles(MemoryStore())
    for block in [log] if blocks == 1 else [log[:2], log[2:]]:
        profiles.restore(block)
    profiles.check()
    assert profiles.load([b"a"]) == [None if mend is None else profile(events=9)]
    assert len(profiles) == (0 if mend is None else 1)


def test_an_unknown_field_of_the_same_version_does_not_matter() -> None:
    more = json.dumps(json.loads(encode(profile())) | {"since": "later"}).encode()
    profiles = Profiles(MemoryStore())
    profiles.restore([Kept(b"a", more)])
    assert profiles.load([b"a"]) == [profile()]


def test_closing_lets_go(tmp_path: Path) -> None:
    profiles = Profiles(DiskStore(tmp_path / "state", 1))
    profiles.save([(b"a", profile())])
    profiles.close()
    assert not (tmp_path / "state").exists()
