from __future__ import annotations

from dataclasses import replace

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic

from loopin_schemas.topics import DLQ, ENRICHED, RAW, TOPICS
from loopin_streams.kafka.topic_admin import TopicAdmin
from tests.deploy.command_line import Loopin
from tests.streams.installation import wait_until


@pytest.fixture
def admin(broker: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": broker, "log_level": 0})


def test_apply_makes_every_topic_once(loopin: Loopin, admin: AdminClient, topic_prefix: str) -> None:
    first = loopin("topics", "apply")
    second = loopin("topics", "apply")

    assert first.code == 0
    assert [line.split()[:2] for line in first.out.splitlines()] == [
        ["created", f"{topic.name}:"] for topic in TOPICS
    ]
    assert second == (0, "All topics are as the table says.\n", "")
    found = admin.list_topics(timeout=60).topics
    assert len(found[f"{topic_prefix}{RAW.name}"].partitions) == 2
    assert {name for name in found if name.startswith(topic_prefix)} == {
        f"{topic_prefix}{topic.name}" for topic in TOPICS
    }


def test_a_dry_run_changes_nothing(loopin: Loopin, admin: AdminClient, topic_prefix: str) -> None:
    ran = loopin("topics", "apply", "--dry-run")

    assert ran.code == 0
    assert ran.out.splitlines()[0] == f"would create {RAW.name}: 2 partitions"
    assert not any(name.startswith(topic_prefix) for name in admin.list_topics(timeout=60).topics)


def test_another_partition_count_is_refused_and_the_rest_is_done(
    loopin: Loopin, admin: AdminClient, topic_prefix: str
) -> None:
    raw = f"{topic_prefix}{RAW.name}"
    admin.create_topics([NewTopic(raw, 3, 1)])[raw].result(60)
    # The controller answers before the broker shows it.
    wait_until(lambda: raw in admin.list_topics(timeout=60).topics, "the topic is there")

    ran = loopin("topics", "apply")
    dry = loopin("topics", "apply", "--dry-run")

    assert ran.code == dry.code == 1
    assert f"refused  {RAW.name}: 3, table says 2\n" in ran.out
    assert "LOOPIN_PARTITIONS" in ran.err
    found = admin.list_topics(timeout=60).topics
    assert len(found[raw].partitions) == 3
    assert f"{topic_prefix}{ENRICHED.name}" in found


MIN_ISR = "min.insync.replicas"


def test_topics_of_three_replicas_are_made_so_that_two_must_have_a_record(
    loopin: Loopin, admin: AdminClient, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = AdminClient.create_topics
    asked: list[NewTopic] = []

    def on_one_broker(client: AdminClient, topics: list[NewTopic]) -> object:
        asked.extend(topics)
        single = [NewTopic(each.topic, each.num_partitions, 1, config=each.config) for each in topics]
        return create(client, single)

    monkeypatch.setattr(AdminClient, "create_topics", on_one_broker)
    monkeypatch.setenv("LOOPIN_REPLICATION", "3")

    loopin("topics", "apply")

    assert {each.replication_factor for each in asked} == {3}
    assert {config(admin, f"{topic_prefix}{topic.name}", MIN_ISR) for topic in TOPICS} == {"2"}


def test_topics_that_have_three_replicas_are_set_so(
    loopin: Loopin, admin: AdminClient, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loopin("topics", "apply")
    describe = TopicAdmin.describe
    monkeypatch.setattr(
        TopicAdmin,
        "describe",
        lambda admin: {name: replace(info, replicas=3) for name, info in describe(admin).items()},
    )

    ran = loopin("topics", "apply")

    assert f"set      {RAW.name}: {MIN_ISR}=1, table says 2\n" in ran.out
    assert {config(admin, f"{topic_prefix}{topic.name}", MIN_ISR) for topic in TOPICS} == {"2"}


def test_fewer_replicas_than_wanted_are_told_and_do_not_stop_all_writing(
    loopin: Loopin, admin: AdminClient, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loopin("topics", "apply")
    monkeypatch.setenv("LOOPIN_REPLICATION", "3")

    ran = loopin("topics", "apply")

    assert ran.code == 1
    assert ran.out.splitlines() == [
        f"refused  {topic.name}: 1 replicas, LOOPIN_REPLICATION says 3" for topic in TOPICS
    ]
    assert "kafka-reassign-partitions" in ran.err
    assert "LOOPIN_PARTITIONS" not in ran.err
    # A lone replica could never be two.
    assert config(admin, f"{topic_prefix}{RAW.name}", MIN_ISR) == "1"


def config(admin: AdminClient, topic: str, name: str) -> str:
    asked = ConfigResource(ConfigResource.Type.TOPIC, topic)
    return str(admin.describe_configs([asked])[asked].result(60)[name].value)


def test_a_changed_configuration_is_shown_and_set_back(
    loopin: Loopin, admin: AdminClient, topic_prefix: str
) -> None:
    loopin("topics", "apply")
    entry = ConfigEntry("retention.ms", "1000", incremental_operation=AlterConfigOpType.SET)
    name = f"{topic_prefix}{DLQ.name}"
    resource = ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=[entry])
    admin.incremental_alter_configs([resource])[resource].result(60)
    # The broker says so a moment later.
    asked = ConfigResource(ConfigResource.Type.TOPIC, name)
    wait_until(
        lambda: admin.describe_configs([asked])[asked].result(60)["retention.ms"].value == "1000",
        "the configuration has changed",
    )

    dry = loopin("topics", "apply", "--dry-run")
    listed = loopin("topics", "list")
    done = loopin("topics", "apply")

    assert dry.out == f"would set {DLQ.name}: retention.ms=1000, table says {DLQ.retention_ms}\n"
    assert "config: retention.ms=1000" in listed.out
    assert done.out == f"set      {DLQ.name}: retention.ms=1000, table says {DLQ.retention_ms}\n"
    assert loopin("topics", "apply").out == "All topics are as the table says.\n"


def test_list_shows_the_table_and_what_is_missing(loopin: Loopin, broker: str, topic_prefix: str) -> None:
    before = loopin("topics", "list")
    loopin("topics", "apply")
    after = loopin("topics", "list")

    assert before.code == after.code == 0
    for topic in TOPICS:
        assert f"{topic_prefix}{topic.name} " in before.out
    assert before.out.count("missing: ") == len(TOPICS)
    assert "missing" not in after.out


def test_what_topics_carry_can_be_read_in_a_narrow_terminal(
    loopin: Loopin, broker: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = loopin("topics", "list").out.splitlines()
    assert max(map(len, lines)) <= 80
    told = [line.split("│")[1].strip() for line in lines if line.count("│") == 5]
    for topic in TOPICS:
        at = told.index(f"{topic_prefix}{topic.name}")
        assert topic.help.startswith(told[at + 1])
        assert len(told[at + 1].split()) >= 3


def test_without_a_broker_each_command_says_so(loopin: Loopin, nobody: str) -> None:
    for command in ("list", "apply"):
        assert loopin("topics", command).refused().startswith(f"No Kafka broker answers at {nobody}: start")
