from __future__ import annotations

from loopin_deploy.kafka.config import server_properties
from loopin_schemas.topics import TOPICS


def test_groups_know_where_they_were_for_longer_than_any_topic_keeps_its_records() -> None:
    declared = dict(line.split("=", 1) for line in server_properties(9092, 9093, "data").splitlines())
    longest_ms = max(topic.retention_ms or 0 for topic in TOPICS)
    assert int(declared["offsets.retention.minutes"]) * 60_000 >= 2 * longest_ms
