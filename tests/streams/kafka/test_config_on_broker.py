"""The configuration on the real broker: writers that race, readers that follow, what compaction leaves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource
from structlog.testing import capture_logs

from loopin_schemas.config import ApiKey
from loopin_schemas.topics import CONFIG
from loopin_streams.kafka import followed_log, settling, waiting
from loopin_streams.kafka.config_log import ConfigLog, read_config
from loopin_streams.kafka.config_writer import ConfigWriter, config_writer
from loopin_streams.kafka.errors import ConfigConflict
from loopin_streams.kafka.reader import Reader
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicAdmin
from tests.committed import committed_records
from tests.streams.conftest import Broker
from tests.streams.installation import DEADLINE_S, wait_until
from tests.streams.kafka.configured import api_key, record
from tests.streams.kafka.crashed import leave_open

pytestmark = pytest.mark.usefixtures("collected")

BY = "root"


@pytest.fixture
def settings(kafka: Broker, topic_prefix: str) -> KafkaSettings:
    """An installation that has this one topic."""
    settings = KafkaSettings.model_validate(
        {"kafka_bootstrap": kafka.bootstrap, "topic_prefix": topic_prefix}
    )
    TopicAdmin(settings, [CONFIG]).apply()
    return settings


@pytest.fixture
def writer(settings: KafkaSettings) -> ConfigWriter:
    return config_writer(settings)


async def names(settings: KafkaSettings) -> dict[str, str]:
    """The keys' names by id, as a reader finds them that starts now."""
    found = await read_config(settings)
    return {id: item.body.name for id, item in found.of(ApiKey).items()}


def on_the_log(settings: KafkaSettings) -> list[tuple[bytes | None, bytes | None]]:
    """The committed records, by another client."""
    return committed_records(settings.kafka_bootstrap, settings.topic(CONFIG.name))


@asynccontextmanager
async def following(settings: KafkaSettings) -> AsyncIterator[ConfigLog]:
    """A log that is followed, once it has been read to its end."""
    log, stop = ConfigLog(settings), asyncio.Event()
    running = asyncio.create_task(log.run(stop))
    try:
        await until(lambda: log.unready() is None, "it has been read")
        yield log
    finally:
        stop.set()
        await running


async def until(condition: Callable[[], object], what: str) -> None:
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # noqa: ASYNC110  (what is waited for tells nobody)
                await asyncio.sleep(0.01)
    except TimeoutError:
        pytest.fail(f"still not: {what}")


async def test_an_item_is_made_replaced_and_removed(settings: KafkaSettings, writer: ConfigWriter) -> None:
    made = await writer.put("k", api_key("first"), replaces=None, by=BY)
    assert await names(settings) == {"k": "first"}
    replaced = await writer.put("k", api_key("second"), replaces=made.version, by=BY)
    assert (await read_config(settings)).of(ApiKey)["k"] == replaced
    assert replaced.version != made.version

    for wrong in (None, made.version, "unknown"):
        with pytest.raises(ConfigConflict):
            await writer.put("k", api_key("lost"), replaces=wrong, by=BY)
    with pytest.raises(ConfigConflict, match="changed meanwhile"):
        await writer.remove("api_key", "k", replaces=made.version)
    assert await names(settings) == {"k": "second"}

    await writer.remove("api_key", "k", replaces=replaced.version)
    assert await names(settings) == {}
    with pytest.raises(ConfigConflict, match="removed meanwhile"):
        await writer.put("k", api_key("lost"), replaces=replaced.version, by=BY)
    assert [key for key, _ in on_the_log(settings)] == [b"api_key:k"] * 3
    assert on_the_log(settings)[-1] == (b"api_key:k", None)


@pytest.mark.parametrize("point", ["begun", "before_commit"])
@pytest.mark.parametrize(("id", "meets"), [("k", "conflict"), ("other", "nothing")])
async def test_a_writer_that_is_fenced_begins_again_with_what_the_other_wrote(
    settings: KafkaSettings, point: str, id: str, meets: str
) -> None:
    passed: list[str] = []

    def another_comes(reached: str) -> None:
        if reached == point and not passed:
            passed.append(reached)
            in_between(config_writer(settings).put("k", api_key("in between"), replaces=None, by=BY))

    raced = config_writer(settings, probe=another_comes)
    if meets == "conflict":
        with pytest.raises(ConfigConflict, match="exists already"):
            await raced.put(id, api_key("raced"), replaces=None, by=BY)
        assert await names(settings) == {"k": "in between"}
    else:
        await raced.put(id, api_key("raced"), replaces=None, by=BY)
        assert await names(settings) == {"k": "in between", "other": "raced"}
    assert passed == [point]
    assert len(on_the_log(settings)) == (1 if meets == "conflict" else 2)


def in_between(change: Any) -> None:
    """Run another writer's change to its end, while the one that calls this stands still."""
    thread = threading.Thread(target=asyncio.run, args=(change,))
    thread.start()
    thread.join()


async def test_writers_at_the_same_time_lose_no_update(settings: KafkaSettings, writer: ConfigWriter) -> None:
    await writer.put("count", api_key("0"), replaces=None, by=BY)

    async def count_up(own: ConfigWriter) -> None:
        done = 0
        while done < 3:
            item = (await read_config(settings)).of(ApiKey)["count"]
            more = api_key(str(int(item.body.name) + 1))
            try:
                await own.put("count", more, replaces=item.version, by=BY)
            except ConfigConflict:
                continue
            done += 1

    await asyncio.gather(*(count_up(config_writer(settings)) for _ in range(3)))

    assert await names(settings) == {"count": "9"}
    assert len(on_the_log(settings)) == 10


async def test_changes_of_one_process_wait_for_each_other(
    settings: KafkaSettings, writer: ConfigWriter
) -> None:
    made = await asyncio.gather(
        *(writer.put(f"k{number}", api_key(str(number)), replaces=None, by=BY) for number in range(4))
    )

    assert len({item.version for item in made}) == 4
    assert await names(settings) == {f"k{number}": str(number) for number in range(4)}


@pytest.mark.usefixtures("trusting")
async def test_what_a_crashed_broker_has_left_open_is_ended_and_does_not_count(
    settings: KafkaSettings, writer: ConfigWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "SETTLES_S", 0.5)
    topic, lost = settings.topic(CONFIG.name), record("k", "lost")
    await leave_open(settings.kafka_bootstrap, topic, {(topic, 0): [(lost.key, lost.value)]})

    await writer.put("other", api_key("after"), replaces=None, by=BY)

    assert await names(settings) == {"other": "after"}


async def test_a_follower_learns_of_every_change_and_a_new_one_of_the_same(
    settings: KafkaSettings, writer: ConfigWriter
) -> None:
    made = await writer.put("k", api_key("first"), replaces=None, by=BY)
    async with following(settings) as log:
        keys = log.configuration.of(ApiKey)
        assert log.uncertain() is None
        assert {id: item.body.name for id, item in keys.items()} == {"k": "first"}
        replaced = await writer.put("k", api_key("second"), replaces=made.version, by=BY)
        await until(lambda: log.configuration.of(ApiKey)["k"] == replaced, "the second is known")
        await writer.put("l", api_key("third"), replaces=None, by=BY)
        await writer.remove("api_key", "k", replaces=replaced.version)
        await until(lambda: set(log.configuration.of(ApiKey)) == {"l"}, "the removal is known")
        async with following(settings) as restarted:
            assert dict(restarted.configuration.of(ApiKey)) == dict(log.configuration.of(ApiKey))


async def test_records_that_cannot_be_read_are_named_and_stop_nobody(
    settings: KafkaSettings, writer: ConfigWriter
) -> None:
    made = await writer.put("k", api_key("good"), replaces=None, by=BY)
    publish(settings, b"api_key:k", b"not json")
    publish(settings, b"sundial:x", b'{"kind":"sundial","id":"x","version":"v","by":"","body":{}}')
    with capture_logs() as logged:
        async with following(settings) as log:
            await writer.put("l", api_key("later"), replaces=None, by=BY)
            await until(lambda: "l" in log.configuration.of(ApiKey), "the later one is known")
            assert set(log.configuration.of(ApiKey)) == {"l"}
            assert [one.key for one in log.configuration.broken.values()] == ["api_key:k"]
            assert log.configuration.others == {b"sundial:x"}
            (said,) = [one for one in logged if one["event"] == "config_record_broken"]
            assert (said["key"], said["log_level"]) == ("api_key:k", "warning")

            (broken,) = log.configuration.broken.values()
            for wrong in (None, made.version):
                with pytest.raises(ConfigConflict):
                    await writer.put("k", api_key("lost"), replaces=wrong, by=BY)
            await writer.put("k", api_key("mended"), replaces=broken.version, by=BY)
            await until(lambda: not log.configuration.broken, "it is mended")
    assert await names(settings) == {"k": "mended", "l": "later"}


def publish(settings: KafkaSettings, key: bytes, value: bytes) -> None:
    """A record as a stranger writes it."""
    producer = Producer({"bootstrap.servers": settings.kafka_bootstrap})
    producer.produce(settings.topic(CONFIG.name), value, key)
    assert producer.flush(60) == 0


async def test_compaction_keeps_what_counts(settings: KafkaSettings, writer: ConfigWriter) -> None:
    kept = await writer.put("k", api_key("0"), replaces=None, by=BY)
    removed = await writer.put("gone", api_key("gone"), replaces=None, by=BY)
    set_config(
        settings, {"segment.ms": "100", "min.cleanable.dirty.ratio": "0.001", "delete.retention.ms": "0"}
    )
    for number in range(1, 4):
        kept = await writer.put("k", api_key(str(number)), replaces=kept.version, by=BY)
    await writer.remove("api_key", "gone", replaces=removed.version)
    # What is in the last segment is not compacted: another record begins a new one.
    await writer.put("last", api_key("last"), replaces=None, by=BY)

    # The cleaner looks every 15 s.
    wait_until(lambda: len(on_the_log(settings)) <= 4, "the log is compacted")

    assert await names(settings) == {"k": "3", "last": "last"}
    async with following(settings) as log:
        assert log.configuration.of(ApiKey)["k"] == kept
    await writer.put("k", api_key("4"), replaces=kept.version, by=BY)
    assert await names(settings) == {"k": "4", "last": "last"}


def set_config(settings: KafkaSettings, values: dict[str, str]) -> None:
    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap, "log_level": 0})
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        for name, value in values.items()
    ]
    topic = ConfigResource(
        ConfigResource.Type.TOPIC, settings.topic(CONFIG.name), incremental_configs=entries
    )
    admin.incremental_alter_configs([topic])[topic].result(60)


async def test_a_topic_that_was_made_anew_replaces_what_was_known(
    settings: KafkaSettings, writer: ConfigWriter
) -> None:
    for number in range(3):
        await writer.put(f"k{number}", api_key("old"), replaces=None, by=BY)
    async with following(settings) as log:
        assert len(log.configuration.of(ApiKey)) == 3
        admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap, "log_level": 0})
        name = settings.topic(CONFIG.name)
        await asyncio.to_thread(admin.delete_topics([name])[name].result, 60)
        await asyncio.to_thread(
            wait_until, lambda: name not in admin.list_topics(timeout=60).topics, "the topic is gone"
        )
        await asyncio.to_thread(TopicAdmin(settings, [CONFIG]).apply)
        await until(lambda: not log.configuration.of(ApiKey), "nothing is known any more")
        await config_writer(settings).put("new", api_key("new"), replaces=None, by=BY)
        await until(lambda: set(log.configuration.of(ApiKey)) == {"new"}, "the new one is known")


async def test_until_it_has_been_read_it_is_neither_ready_nor_sure(kafka: Broker, topic_prefix: str) -> None:
    settings = KafkaSettings.model_validate(
        {"kafka_bootstrap": kafka.bootstrap, "topic_prefix": topic_prefix}
    )
    log, stop = ConfigLog(settings), asyncio.Event()
    running = asyncio.create_task(log.run(stop))
    reason = log.unready()
    assert reason is not None
    assert f"{topic_prefix}config" in reason
    assert log.uncertain() == reason
    assert log.age_s() is None

    await asyncio.to_thread(TopicAdmin(settings, [CONFIG]).apply)
    await until(lambda: log.unready() is None, "the topic was made, and has been read")

    assert log.uncertain() is None
    stop.set()
    await running


async def test_it_goes_on_where_it_was_after_the_broker_was_away(
    settings: KafkaSettings, writer: ConfigWriter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = await writer.put("k", api_key("first"), replaces=None, by=BY)
    starts: list[int | None] = []
    away: list[bool] = [False]
    follow = Reader.follow

    def follow_or_fail(reader: Reader, topic: str, partition: int, start: int | None = None) -> Any:
        starts.append(start)
        return fails_when_away(follow(reader, topic, partition, start))

    async def fails_when_away(steps: Any) -> AsyncIterator[Any]:
        async for step in steps:
            if away[0]:
                raise KafkaConnectionError("away")
            yield step

    monkeypatch.setattr(Reader, "follow", follow_or_fail)
    monkeypatch.setattr(waiting, "RETRY_S", 0.05)
    monkeypatch.setattr(followed_log, "SURE_S", 0.5)
    # Only steps that reach the log count, so a pause of the machine makes it unsure as well.
    async with following(settings) as log:
        with capture_logs() as logged:
            away[0] = True
            await until(lambda: log.uncertain() is not None, "it is not sure any more")
            assert "has not told what is configured for" in (log.uncertain() or "")
            assert log.unready() is None
            assert set(log.configuration.of(ApiKey)) == {"k"}
            await writer.put("k", api_key("second"), replaces=made.version, by=BY)
            await until(lambda: len(starts) > 3, "it has tried again several times")
        away[0] = False
        await until(lambda: log.configuration.of(ApiKey)["k"].body.name == "second", "it has caught up")
        await until(lambda: log.uncertain() is None, "it is sure again")
    assert starts[0] is None
    assert all(start == starts[1] for start in starts[1:])
    assert [one["event"] for one in logged] == ["config_not_followed"]
