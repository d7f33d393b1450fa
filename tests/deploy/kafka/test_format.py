from __future__ import annotations

import base64
from pathlib import Path

import pytest

from loopin_deploy.errors import DeployError
from loopin_deploy.kafka import default_cache, ensure_jars, find_java
from loopin_deploy.kafka.config import LOG4J
from loopin_deploy.kafka.format import cluster_id, format_storage


def test_cluster_ids_are_uuids_as_kafka_spells_them() -> None:
    ids = {cluster_id() for _ in range(500)}

    assert len(ids) == 500
    assert all(len(base64.urlsafe_b64decode(each + "==")) == 16 for each in ids)
    assert not any(each.startswith("-") for each in ids)


def test_a_failed_format_says_why_and_leaves_no_storage(tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'Disk is gone' >&2; exit 1\n")
    java.chmod(0o755)

    with pytest.raises(DeployError, match="Disk is gone") as raised:
        format_storage(str(java), tmp_path, tmp_path, "data")

    assert raised.value.code == "kafka_format_failed"
    assert not (tmp_path / "data").exists()


def test_a_half_finished_format_is_done_again_and_a_finished_one_is_kept(tmp_path: Path) -> None:
    (tmp_path / "log4j2.properties").write_text(LOG4J)
    (tmp_path / "data.unformatted").mkdir()
    (tmp_path / "data.unformatted" / "meta.properties").write_text("version=")
    java, jars = find_java(), ensure_jars(default_cache())

    format_storage(java, jars, tmp_path, "data")
    first = (tmp_path / "data" / "meta.properties").read_text()
    format_storage(java, jars, tmp_path, "data")

    assert "cluster.id=" in first
    assert (tmp_path / "data" / "meta.properties").read_text() == first
    assert not (tmp_path / "data.unformatted").exists()
