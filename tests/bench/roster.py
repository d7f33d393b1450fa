"""The systems that are compared, and how each one does its work, for the report."""

from __future__ import annotations

SYSTEMS = ("loopin", "quix", "faust", "aiokafka", "bytewax")

PEERS_APART = {"quix": "quixstreams", "bytewax": "bytewax"}
"""Those that run in the peers' own environment, with the package that each needs there; the others use the
libraries that we are built on."""

TITLES = {
    "loopin": "this project",
    "quix": "Quix Streams",
    "faust": "Faust as it comes",
    "aiokafka": "aiokafka, by hand",
    "bytewax": "Bytewax",
}

WAYS = {
    "loopin": (
        "exactly once. J0 and J1 are jobs on the batch lane, one transaction a batch and partition; J2 is "
        "the real worker and store, which also drop client duplicates, keep profiles and sessions, count "
        "hours and days, and serve the API"
    ),
    "quix": (
        "at least once, with a checkpoint every 5 s, both its defaults. Windows after `group_by` (a "
        "repartition topic), state in RocksDB with changelog topics; rows by a `BatchingSink`, which writes "
        "at checkpoints"
    ),
    "faust": (
        "at least once. Agents, `group_by` and tables in memory with changelog topics; rows from `take`. "
        "Given fewer events, because it is slow"
    ),
    "aiokafka": (
        "at least once. A loop over `getmany`; state in memory, offsets committed up to the oldest open "
        "window; one process owns all partitions, so nothing is exchanged and nothing is kept elsewhere"
    ),
    "bytewax": (
        "at least once. Recovery on, a snapshot into SQLite every 10 s, its default; keyed folds in "
        "event-time windows; rows from `collect`"
    ),
}
"""Guarantee and idiom. All decode with the same msgspec decoder, score with the same function, and build rows
with the same code."""
