"""Files and flags that a single local broker runs on."""

from __future__ import annotations

from pathlib import Path

HEAP_FLAGS = ("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

LOG4J = """\
status = warn
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = kafka.log
appender.file.filePattern = kafka.log.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSSZ} %p %m (%c{1})%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 10MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 3
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
"""


def server_properties(port: int, controller_port: int, log_dir: str) -> str:
    """``server.properties`` of one node that is broker and controller, reachable from this machine only.

    ``log_dir`` is relative to the folder the broker runs in, so no path needs escaping.
    """
    listeners = f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}"
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "listeners": listeners,
        "advertised.listeners": listeners,
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller_port}",
        "log.dirs": log_dir,
        "auto.create.topics.enable": "false",
        "message.max.bytes": 2 * 1024 * 1024,
        # One node: internal topics cannot have a second replica, and one partition boots faster than 50.
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.num.partitions": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        # Written at once: few groups gain nothing by the batching that the coordinator adapts since 4.3, and
        # a batch that stays open holds up every group.
        "group.coordinator.append.linger.ms": 0,
        "group.min.session.timeout.ms": 1000,
        # Far longer than any topic keeps its records (merges of persons: 3 years). By default a group that
        # nobody is in forgets where it was after 7 days, and a sink that comes back cannot say what it lost.
        "offsets.retention.minutes": 10 * 365 * 24 * 60,
        # A broker that was killed is let in again once its old session has ended: after 9 s by default.
        "broker.session.timeout.ms": 4000,
        "broker.heartbeat.interval.ms": 1000,
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
        # The default of 128 MB would be a third of the heap; 32 MB still map 1.2 million keys a pass.
        "log.cleaner.dedupe.buffer.size": 32 * 1024 * 1024,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def java_command(java: str, jars: Path, data_dir: Path, main: str, *arguments: str) -> list[str]:
    """Command line of one of Kafka's main classes, to be run in ``data_dir``."""
    return [
        java,
        *HEAP_FLAGS,
        "-Djava.awt.headless=true",
        "-Dlog4j2.configurationFile=log4j2.properties",
        f"-Dloopin.data={data_dir}",
        "-cp",
        f"{jars}/*",
        main,
        *arguments,
    ]
