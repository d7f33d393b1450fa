"""The contract of the topic ``alerts``, as docs/notifications.md has it for notifiers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from loopin_schemas.alert import Alert
from loopin_streams.kafka.job import Output
from loopin_streams.merge.absorber import MergeAbsorber

SCHEMA = json.loads(
    (Path(__file__).parents[3] / "schemas" / "jsonschema" / "alerts.json").read_text(encoding="utf-8")
)
VALIDATOR = Draft202012Validator(SCHEMA)


def check(key: bytes | None, value: bytes | None) -> None:
    """A record as it goes out: no field that the schema does not name, and the key that it is found by.

    Raises:
        ValidationError: the schema says no.
    """
    record = json.loads(value or b"")
    VALIDATOR.validate(record)
    assert record.keys() <= SCHEMA["properties"].keys()
    assert (key or b"").decode() == f"{record['project']}:{record['rule']}"


@contextmanager
def keeping_the_contract() -> Iterator[None]:
    """Checks all that any merge in this process puts out."""
    tell = MergeAbsorber._tell

    def checked(self: MergeAbsorber, alerts: Iterable[Alert], output: Output) -> None:
        told = len(output.routed.get(("alerts", 0), ()))
        tell(self, alerts, output)
        for key, value in output.routed.get(("alerts", 0), [])[told:]:
            check(key, value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MergeAbsorber, "_tell", checked)
        yield
