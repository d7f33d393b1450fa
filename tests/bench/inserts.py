"""The notes that the recorded store takes of its inserts, and reading them while it goes on."""

from __future__ import annotations

from pathlib import Path

import msgspec

FOLDER_SETTING = "BENCH_INSERTS_FOLDER"
"""Environment variable that names the folder of the notes."""

INSERTS = "inserts.ndjson"
LATENCIES = "latencies.i64"


class Insert(msgspec.Struct):
    """One insert that has returned: when (epoch s), into which table, how many rows."""

    at: float
    table: str
    rows: int


_decode = msgspec.json.Decoder(Insert).decode


class Inserted:
    """The inserts noted so far; ``rows`` and ``last_at`` (epoch s) are of the table ``events``."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / INSERTS
        self._read = 0
        self.rows = 0
        self.last_at = 0.0

    def look(self) -> bool:
        """Read on; whether there was anything new, in any table."""
        if not self._path.exists():
            return False
        with self._path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            insert = _decode(line)
            if insert.table == "events":
                self.rows += insert.rows
                self.last_at = insert.at
        return bool(whole)
