"""Projects with settings of their own, as the topic ``config`` has them."""

from __future__ import annotations

import json
from typing import Any

from loopin_schemas.config import config_key
from loopin_streams.kafka.config_state import Configuration
from tests.streams.kafka.configured import Record


def own(project: str, version: str = "1", **fields: Any) -> Record:
    """A record of a project's own settings, in plain JSON."""
    body = {"project": project, **fields}
    value = {"kind": "project", "id": project, "version": version, "by": "root", "body": body}
    return Record(config_key("project", project), json.dumps(value).encode())


def configured(**projects: dict[str, Any]) -> Configuration:
    """What is configured where projects have these."""
    found = Configuration()
    for project, fields in projects.items():
        assert found.apply(own(project, **fields)) is None
    return found
