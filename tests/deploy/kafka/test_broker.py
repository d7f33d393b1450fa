from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from loopin_deploy.errors import DeployError
from loopin_deploy.kafka import LocalKafka
from loopin_deploy.kafka.state import BrokerState, write_state
from loopin_deploy.lifeline import started_at
from tests.streams.installation import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.scenario]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LocalKafka]:
    broker = LocalKafka(tmp_path / "kafka", port=0)
    yield broker
    broker.stop()


def admin(bootstrap: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})


def start_elsewhere(data_dir: Path, *, detached: bool) -> subprocess.Popen[str]:
    """Another process that has started a broker and then waits."""
    code = f"""
from pathlib import Path
from loopin_deploy.kafka import LocalKafka
broker = LocalKafka(Path({str(data_dir)!r}), port=0, detached={detached})
print(broker.start().pid, flush=True)
input()
"""
    return subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def broker_pid(owner: subprocess.Popen[str]) -> int:
    assert owner.stdout
    return int(owner.stdout.readline())


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_topics_outlive_a_restart_on_other_ports(broker: LocalKafka, end: str) -> None:
    first = broker.start()
    assert first.pid
    client = admin(broker.bootstrap)
    client.create_topics([NewTopic("kept", 3, 1)])["kept"].result()
    cluster = client.list_topics(timeout=60).cluster_id
    if end == "stop":
        assert broker.stop()
    else:
        os.kill(first.pid, signal.SIGKILL)
        psutil.Process(first.pid).wait(5)
    assert not broker.status().running

    second = broker.start()

    assert second.port != first.port
    metadata = admin(broker.bootstrap).list_topics(timeout=60)
    assert metadata.cluster_id == cluster
    assert len(metadata.topics["kept"].partitions) == 3


def test_a_running_broker_is_left_as_it_is(kafka: LocalKafka) -> None:
    before = kafka.status()

    assert LocalKafka(kafka.data_dir, port=0).start() == before
    with pytest.raises(DeployError, match="already runs") as raised:
        LocalKafka(kafka.data_dir, port=1).start()
    assert raised.value.code == "kafka_already_running"
    assert kafka.status() == before


def test_it_listens_on_loopback_only(kafka: LocalKafka) -> None:
    sockets = psutil.Process(kafka.status().pid).net_connections("tcp")

    listening = {each.laddr.ip for each in sockets if each.status == psutil.CONN_LISTEN}

    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


def test_topics_are_not_created_by_use(kafka: LocalKafka, topic_prefix: str) -> None:
    client = admin(kafka.bootstrap)

    client.list_topics(f"{topic_prefix}unknown", timeout=60)

    assert f"{topic_prefix}unknown" not in client.list_topics(timeout=60).topics


@pytest.mark.parametrize("setting", ["port", "controller_port"])
def test_a_taken_port_is_named(tmp_path: Path, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        ports = {"port": 0, setting: port}
        with pytest.raises(DeployError, match=f"Port {port} on 127.0.0.1") as raised:
            LocalKafka(tmp_path, **ports).start()

    assert (raised.value.code, raised.value.field) == ("port_taken", setting)


def test_a_port_taken_after_its_choice_is_replaced(
    broker: LocalKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        free = [broker_port() for _ in range(3)]
        chosen = iter([taken, *free])
        monkeypatch.setattr("loopin_deploy.kafka.broker.free_port", lambda **_: next(chosen))

        assert broker.start().port == free[1]


def broker_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_a_state_file_that_names_another_process_is_stale(tmp_path: Path) -> None:
    start = started_at(os.getpid())
    assert start
    write_state(tmp_path / "broker.json", BrokerState(os.getpid(), start, 9092, 9093))
    broker = LocalKafka(tmp_path)

    assert not broker.status().running
    assert not broker.stop()


def test_a_broken_state_file_is_stale(tmp_path: Path) -> None:
    (tmp_path / "broker.json").write_text("{")

    assert not LocalKafka(tmp_path).status().running


def test_a_detached_broker_is_found_from_another_process(tmp_path: Path) -> None:
    starter = start_elsewhere(tmp_path, detached=True)
    pid = broker_pid(starter)
    kill(starter)
    broker = LocalKafka(tmp_path, port=0)
    try:
        status = broker.status()
        assert (status.running, status.ready, status.pid) == (True, True, pid)
        assert broker.bootstrap == status.bootstrap
        # It answers a moment before it says so.
        wait_until(lambda: any("Kafka Server started" in line for line in broker.logs(500)), "it says so")
        assert len(broker.logs(3)) == 3
    finally:
        assert broker.stop()
    assert not psutil.pid_exists(pid)
    with pytest.raises(DeployError, match="not running"):
        _ = broker.bootstrap


def test_a_broker_ends_with_its_killed_owner_and_the_next_start_waits_for_it(broker: LocalKafka) -> None:
    owner = start_elsewhere(broker.data_dir, detached=False)
    pid = broker_pid(owner)
    kill(owner)

    status = broker.start()

    assert status.pid != pid
    assert status.ready
    assert not psutil.pid_exists(pid)


def test_a_broker_that_dies_while_starting_says_why(broker: LocalKafka) -> None:
    (broker.data_dir / "data").mkdir(parents=True)
    (broker.data_dir / "data" / "meta.properties").write_text("version=1\nnode.id=7\ncluster.id=x\n")

    with pytest.raises(DeployError) as raised:
        broker.start()

    assert raised.value.code == "kafka_died"
    assert "node id" in raised.value.reason
    assert str(broker.log_path) in raised.value.reason
    assert raised.value.log_lines
    assert not broker.status().running


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(DeployError, match="cannot be written") as raised:
        LocalKafka(tmp_path / "file" / "kafka", port=0).start()

    assert raised.value.code == "folder_not_writable"
