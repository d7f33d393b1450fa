from __future__ import annotations

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic

from loopin_schemas.topics import DLQ, ENRICHED, RAW, TOPICS
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
    found = admin.list_topics(timeout=5).topics
    assert len(found[f"{topic_prefix}{RAW.name}"].partitions) == 2
    assert {name for name in found if name.startswith(topic_prefix)} == {
        f"{topic_prefix}{topic.name}" for topic in TOPICS
    }


def test_a_dry_run_changes_nothing(loopin: Loopin, admin: AdminClient, topic_prefix: str) -> None:
    ran = loopin("topics", "apply", "--dry-run")

    assert ran.code == 0
    assert ran.out.splitlines()[0] == f"would create {RAW.name}: 2 partitions"
    assert not any(name.startswith(topic_prefix) for name in admin.list_topics(timeout=5).topics)


def test_another_partition_count_is_refused_and_the_rest_is_done(
    loopin: Loopin, admin: AdminClient, topic_prefix: str
) -> None:
    raw = f"{topic_prefix}{RAW.name}"
    admin.create_topics([NewTopic(raw, 3, 1)])[raw].result(10)

    ran = loopin("topics", "apply")
    dry = loopin("topics", "apply", "--dry-run")

    assert ran.code == dry.code == 1
    assert f"refused  {RAW.name}: 3, table says 2\n" in ran.out
    assert "LOOPIN_PARTITIONS" in ran.err
    found = admin.list_topics(timeout=5).topics
    assert len(found[raw].partitions) == 3
    assert f"{topic_prefix}{ENRICHED.name}" in found


def test_a_changed_configuration_is_shown_and_set_back(
    loopin: Loopin, admin: AdminClient, topic_prefix: str
) -> None:
    loopin("topics", "apply")
    entry = ConfigEntry("retention.ms", "1000", incremental_operation=AlterConfigOpType.SET)
    name = f"{topic_prefix}{DLQ.name}"
    resource = ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=[entry])
    admin.incremental_alter_configs([resource])[resource].result(10)
    # The broker says so a moment later.
    asked = ConfigResource(ConfigResource.Type.TOPIC, name)
    wait_until(
        lambda: admin.describe_configs([asked])[asked].result(10)["retention.ms"].value == "1000",
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


def test_without_a_broker_each_command_says_so(loopin: Loopin, nobody: str) -> None:
    for command in ("list", "apply"):
        assert loopin("topics", command).refused().startswith(f"No Kafka broker answers at {nobody}: start")
