from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource

from loopin_schemas.topics import TOPICS, Topic
from loopin_streams.kafka.errors import BrokerRefused, BrokerUnreachable
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import Difference, TopicAdmin
from tests.streams.conftest import Broker
from tests.streams.kafka.topic_config import set_config


@pytest.fixture
def settings(kafka: Broker, topic_prefix: str) -> KafkaSettings:
    return KafkaSettings(kafka_bootstrap=kafka.bootstrap, topic_prefix=topic_prefix, partitions=2)


def count(topic: Topic) -> int:
    """Partitions that a topic is to have in these tests."""
    return 1 if topic.partitions == "one" else 2


def test_missing_topics_are_found_and_created_once(settings: KafkaSettings) -> None:
    admin = TopicAdmin(settings)
    expected = [Difference(topic.name, "missing", f"{count(topic)} partitions") for topic in TOPICS]
    assert admin.describe() == {}
    assert admin.differences() == expected
    assert admin.apply() == expected
    assert admin.differences() == []
    assert admin.apply() == []


def test_a_topic_deleted_between_two_requests_is_missing(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = TopicAdmin(settings)
    listed = {settings.topic(topic.name) for topic in TOPICS}
    monkeypatch.setattr(admin, "_metadata", lambda: listed)
    assert admin.describe() == {}
    assert {found.kind for found in admin.differences()} == {"missing"}


def test_topics_have_the_tables_partitions_and_kafkas_ids(settings: KafkaSettings) -> None:
    admin = TopicAdmin(settings)
    admin.apply()
    found = admin.describe()
    assert [(name, info.partitions) for name, info in found.items()] == [
        (topic.name, count(topic)) for topic in TOPICS
    ]
    assert len({UUID(info.id) for info in found.values()}) == len(TOPICS)
    assert TopicAdmin(settings).describe() == found


def test_a_topic_for_one_partition_gets_one(settings: KafkaSettings) -> None:
    single = replace(TOPICS[0], partitions="one")
    admin = TopicAdmin(settings, [single])
    assert admin.apply() == [Difference("events.raw", "missing", "1 partitions")]
    assert admin.describe()["events.raw"].partitions == 1


def test_what_was_applied_is_there_when_apply_returns(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = TopicAdmin(settings)
    found = admin.differences
    answers = [found(), found(), found()]
    monkeypatch.setattr(admin, "differences", lambda: answers.pop() if answers else found())
    admin.apply()
    assert answers == []
    assert len(admin.describe()) == len(TOPICS)


def test_changes_that_never_show_are_said_to_be_missing(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = TopicAdmin(settings)
    before = admin.differences()
    monkeypatch.setattr(admin, "differences", lambda: before)
    # Only the wait for what was changed is to meet the limit, not the broker's answer to the change itself.
    monkeypatch.setattr(admin._admin, "create_topics", lambda _: {})
    monkeypatch.setattr("loopin_streams.kafka.topic_admin.TIMEOUT_S", 1.0)
    with pytest.raises(BrokerRefused, match="does not show the changed topics after 1 s"):
        admin.apply()


def test_a_changed_setting_is_found_and_set_back(settings: KafkaSettings) -> None:
    admin = TopicAdmin(settings)
    admin.apply()
    set_config(settings, "events.raw", "message.timestamp.type", "CreateTime")
    set_config(settings, "seen", "retention.ms", "5")
    found = admin.apply()
    assert [(each.topic, each.kind, each.refused) for each in found] == [
        ("events.raw", "config", False),
        ("seen", "config", False),
    ]
    assert "CreateTime" in found[0].detail
    assert "LogAppendTime" in found[0].detail
    assert admin.differences() == []


def test_a_setting_outside_the_table_is_left_alone(settings: KafkaSettings) -> None:
    admin = TopicAdmin(settings)
    admin.apply()
    set_config(settings, "events.raw", "max.message.bytes", "3000000")
    set_config(settings, "events.raw", "retention.ms", "5")
    admin.apply()
    resource = ConfigResource(ConfigResource.Type.TOPIC, settings.topic("events.raw"))
    client = AdminClient({"bootstrap.servers": settings.kafka_bootstrap})
    assert client.describe_configs([resource])[resource].result(20)["max.message.bytes"].value == "3000000"


@pytest.mark.parametrize("wanted", [1, 3])
def test_another_partition_count_is_shown_and_never_applied(settings: KafkaSettings, wanted: int) -> None:
    TopicAdmin(settings).apply()
    other = TopicAdmin(settings.model_copy(update={"partitions": wanted}))
    found = other.apply()
    assert [(each.topic, each.kind, each.refused) for each in found] == [
        (topic.name, "partitions", True) for topic in TOPICS if topic.partitions == "raw"
    ]
    assert found[0].detail == f"2, table says {wanted}"
    assert [info.partitions for info in other.describe().values()] == [count(topic) for topic in TOPICS]


def test_a_partition_count_does_not_keep_other_changes_from_being_applied(settings: KafkaSettings) -> None:
    TopicAdmin(settings).apply()
    set_config(settings, "seen", "retention.ms", "5")
    other = TopicAdmin(settings.model_copy(update={"partitions": 3}))
    other.apply()
    assert {each.kind for each in other.differences()} == {"partitions"}


def test_what_the_broker_refuses_comes_as_one_sentence(settings: KafkaSettings) -> None:
    admin = TopicAdmin(settings.model_copy(update={"replication": 3}))
    with pytest.raises(BrokerRefused, match="The Kafka broker refused: .*eplication factor"):
        admin.apply()


def test_a_broker_that_does_not_answer_is_named(
    unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopin_streams.kafka.topic_admin.TIMEOUT_S", 0.3)
    admin = TopicAdmin(KafkaSettings(kafka_bootstrap=f"127.0.0.1:{unused_tcp_port}"))
    with pytest.raises(BrokerUnreachable, match=f"No Kafka broker answers at 127.0.0.1:{unused_tcp_port}"):
        admin.differences()
