"""Publish the events of a CSV, NDJSON or Parquet file.

from loopin_producers.replay import Replay, load_mapping

summary = Replay(client, path, load_mapping(map_path), progress_file=state).run()
"""

from loopin_producers.replay.errors import ReplayError
from loopin_producers.replay.formats import FORMATS
from loopin_producers.replay.mapping import Mapping, load_mapping, parse_mapping
from loopin_producers.replay.replay import BadLine, Replay, Summary

__all__ = [
    "FORMATS",
    "BadLine",
    "Mapping",
    "Replay",
    "ReplayError",
    "Summary",
    "load_mapping",
    "parse_mapping",
]
