"""What records of ``config`` add up to, against plain dictionaries."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from loopin_schemas.config import ApiKey
from loopin_streams.kafka.config_metrics import ConfigCollector
from loopin_streams.kafka.config_state import Broken, Configuration
from tests.streams.kafka.configured import Record, record, removal

IDS = st.sampled_from(["a", "b", "c"])
VERSIONS = st.sampled_from(["v1", "v2", "v3"])


def broken(id: str) -> Record:
    return Record(f"api_key:{id}".encode(), b'{"kind": "api_key"}')


def newer(id: str) -> Record:
    return Record(
        f"sundial:{id}".encode(),
        b'{"kind":"sundial","id":"%s","version":"v","by":"","body":{}}' % id.encode(),
    )


RECORDS = st.lists(
    st.builds(record, IDS, VERSIONS, name=st.sampled_from(["x", "y"]))
    | st.builds(removal, IDS)
    | st.builds(broken, IDS)
    | st.builds(newer, IDS)
).map(lambda found: [replace(one, offset=offset) for offset, one in enumerate(found)])


def added_up(records: list[Record]) -> Configuration:
    found = Configuration()
    for one in records:
        found.apply(one)
    return found


def held(configuration: Configuration) -> object:
    keys = {id: (item.id, item.version, item.by, item.body) for id, item in configuration.of(ApiKey).items()}
    return keys, configuration.broken, configuration.others


@given(RECORDS)
def test_the_newest_record_of_a_key_counts(records: list[Record]) -> None:
    newest = {one.key: one for one in records}

    found = added_up(records)

    valid = {key for key, one in newest.items() if one.value and b'"body": {"project"' in one.value}
    assert {f"api_key:{id}".encode() for id in found.of(ApiKey)} == valid
    assert set(found.broken) == {key for key, one in newest.items() if one.value == b'{"kind": "api_key"}'}
    assert found.others == {key for key, one in newest.items() if one.value and one.key.startswith(b"sun")}  # type: ignore[union-attr]
    for id in "abc":
        one = newest.get(f"api_key:{id}".encode())
        expected = None
        if one is not None and one.value is not None:
            expected = f"@{one.offset}" if one.key in found.broken else found.of(ApiKey)[id].version
            assert one.key in found.broken or f'"version": "{expected}"'.encode() in one.value
        assert found.version("api_key", id) == expected


@given(RECORDS)
def test_compaction_changes_nothing(records: list[Record]) -> None:
    newest = {one.key: one.offset for one in records}
    compacted = [one for one in records if newest[one.key] == one.offset]

    assert held(added_up(compacted)) == held(added_up(records))
    gone = [one for one in compacted if one.value is not None]
    assert held(added_up(gone)) == held(added_up(records))


def test_a_record_that_cannot_be_read_is_told_and_takes_the_item_with_it() -> None:
    found = Configuration()
    assert found.apply(record("a", "v1")) is None

    told = found.apply(replace(broken("a"), offset=7))

    assert told == Broken("api_key:a", 7, "Object missing required field `id`")
    assert list(found.broken.values()) == [told]
    assert dict(found.of(ApiKey)) == {}
    assert found.apply(record("a", "v2")) is None
    assert found.broken == {}
    assert found.of(ApiKey)["a"].version == "v2"


def test_records_of_any_key_are_named() -> None:
    found = Configuration()
    for offset, key in enumerate((None, b"", b"\xff\x00", b"api_key:a")):
        assert found.apply(Record(key, b"[" * 100_000, offset)) is not None
    assert [one.key for one in found.broken.values()] == ["", "\\xff\x00", "api_key:a"]


def test_prometheus_is_told_how_much_is_held() -> None:
    class Followed:
        configuration = added_up([record("a", "v1"), record("b", "v1"), broken("c"), newer("d"), newer("e")])
        age: float | None = None

        def age_s(self) -> float | None:
            return self.age

    followed = Followed()
    registry = CollectorRegistry()
    registry.register(ConfigCollector(followed))

    assert registry.get_sample_value("loopin_config_items", {"kind": "api_key"}) == 2
    assert registry.get_sample_value("loopin_config_items", {"kind": "other"}) == 2
    assert registry.get_sample_value("loopin_config_broken_records") == 1
    assert registry.get_sample_value("loopin_config_age_seconds") is None
    followed.age = 0.25
    assert registry.get_sample_value("loopin_config_age_seconds") == 0.25
