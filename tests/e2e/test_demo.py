"""The demo as a new user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def test_once_accounts_for_every_event_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "loopin_deploy", "demo", "--once"],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )

    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert set(summary) == {
        *("published", "enriched", "stored", "dead_lettered", "dropped"),
        *("events_per_s", "p50_ms", "p99_ms"),
    }
    left_out = summary["dead_lettered"] + sum(summary["dropped"].values())
    assert summary["published"] == summary["stored"] + left_out
    assert summary["stored"] == summary["enriched"] > 31_106
    assert summary["dead_lettered"] == 14, "the demo's broken records"
    assert summary["dropped"] == {"duplicate": 5}
    assert 0 < summary["p50_ms"] <= summary["p99_ms"]
    assert list(tmp_path.glob("loopin-demo-*")) == []
