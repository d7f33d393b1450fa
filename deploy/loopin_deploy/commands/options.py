"""Options that several commands share, and what they mean for a command without a running system."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from loopin_deploy.data_folder import DataFolder
from loopin_deploy.kafka import LocalKafka
from loopin_deploy.stack_state import read_state
from loopin_streams.kafka.settings import KafkaSettings


def default_data() -> Path:
    """``loopin`` in the user's data folder (``XDG_DATA_HOME`` or ``~/.local/share``)."""
    return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "loopin"


def _absolute(path: Path) -> Path:
    """Every command means the same folder by ``~/x`` and by a relative path."""
    return path.expanduser().absolute()


Data = Annotated[
    Path,
    typer.Option(
        envvar="LOOPIN_DATA_DIR",
        default_factory=default_data,
        callback=_absolute,
        show_default="~/.local/share/loopin",
        help="Folder that keeps everything.",
    ),
]


def kafka_settings(data: Path) -> KafkaSettings:
    """The broker that the environment names, else the one that runs on the data folder, else the default."""
    if os.environ.get("LOOPIN_KAFKA_BOOTSTRAP"):
        return KafkaSettings()
    state = read_state(data)
    bootstrap = state.bootstrap if state else LocalKafka(DataFolder(data).kafka).status().bootstrap
    return KafkaSettings(kafka_bootstrap=bootstrap) if bootstrap else KafkaSettings()
