from __future__ import annotations

import base64
from pathlib import Path

import pytest

from loopin_deploy.errors import DeployError
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
