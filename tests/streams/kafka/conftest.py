"""A broker that forgets transactions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from tests.streams.conftest import Broker
from tests.streams.installation import wait_until


@pytest.fixture(scope="module")
def trusting(kafka: Broker) -> Iterator[None]:
    """The broker takes records of a transaction that its coordinator does not know the partition of."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})

    def verify(value: str) -> None:
        name = "transaction.partition.verification.enable"
        entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        broker = ConfigResource(ConfigResource.Type.BROKER, "1", incremental_configs=[entry])
        for done in admin.incremental_alter_configs([broker]).values():
            done.result(60)
        asked = ConfigResource(ConfigResource.Type.BROKER, "1")

        def shown() -> bool:
            return bool(admin.describe_configs([asked])[asked].result(60)[name].value == value)

        wait_until(shown, f"{name} is {value}")

    verify("false")
    yield
    verify("true")
