"""`loopin state rebuild`: what it says before it does anything. What it does is tested with the streams."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loopin_deploy.data_folder import open_data_folder
from tests.deploy.command_line import Loopin


@pytest.fixture(autouse=True)
def own_log_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test run's stay."""
    monkeypatch.setattr("loopin_deploy.commands.state.configure_logs", lambda level: None)


def test_missing_topics_are_named(broker: str, topic_prefix: str, loopin: Loopin) -> None:
    sentence = loopin("state", "rebuild", "--yes").refused()
    assert f"{topic_prefix}profiles" in sentence
    assert "run `loopin topics apply`" in sentence


def test_a_system_that_runs_is_to_be_stopped_first(broker: str, loopin: Loopin, tmp_path: Path) -> None:
    with open_data_folder(tmp_path):
        sentence = loopin("state", "rebuild", "--yes", "--data", tmp_path).refused()
    assert f"in use by process {os.getpid()}" in sentence
    assert "loopin down" in sentence


def test_without_a_broker_it_says_how_to_start_one(nobody: str, loopin: Loopin) -> None:
    assert "loopin kafka start" in loopin("state", "rebuild", "--yes").refused()


def test_a_job_that_does_not_exist_is_answered_with_those_that_do(loopin: Loopin) -> None:
    ran = loopin("state", "rebuild", "luck")
    assert ran.code == 2
    for job in ("enrich", "merge", "identity", "train"):
        assert job in ran.err
