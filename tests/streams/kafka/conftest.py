"""A broker that forgets transactions, and a runner in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from loopin_streams.kafka.partition import Limits
from loopin_streams.kafka.runner import Runner
from loopin_streams.kafka.topic_admin import TopicAdmin
from tests.streams.conftest import Broker
from tests.streams.exactly_once import mixed_events
from tests.streams.installation import Installation, wait_until
from tests.streams.kafka.tally import Held, Hold, TallyJob


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


@pytest.fixture
async def hold(collected: None, installation: Installation) -> AsyncIterator[Hold]:
    installation.publish(mixed_events(100))
    topic_id = TopicAdmin(installation.settings).describe()["events.raw"].id
    made: list[Held] = []

    def make() -> Held:
        failures: list[BaseException] = []
        job = TallyJob()
        runner = Runner(
            installation.settings, job, topic_id, on_fatal=failures.append, limits=Limits(linger_s=0)
        )
        made.append(Held(runner, job, failures))
        return made[-1]

    yield make
    for held in made:
        await held.runner.stop()
