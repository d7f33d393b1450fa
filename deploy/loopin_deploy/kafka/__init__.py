"""Apache Kafka on this machine, for one person's use and for tests."""

from loopin_deploy.kafka.broker import DEFAULT_PORT, BrokerStatus, LocalKafka
from loopin_deploy.kafka.jars import default_cache, ensure_jars, find_java, find_maven, java_version

__all__ = [
    "DEFAULT_PORT",
    "BrokerStatus",
    "LocalKafka",
    "default_cache",
    "ensure_jars",
    "find_java",
    "find_maven",
    "java_version",
]
