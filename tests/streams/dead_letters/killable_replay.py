"""A replay as a process of its own, with a probe that sends it a signal at a named point.

Run as a script with one JSON argument. Exit code 3: another replay has taken over.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loopin_streams.dead_letters import replay
from loopin_streams.dead_letters.fix_file import load_fix
from loopin_streams.kafka.errors import Fenced
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicAdmin


def probe_of(order: dict[str, Any], prefix: str) -> Callable[[str], None]:
    left = order["passing"]

    def probe(passed: str) -> None:
        nonlocal left
        if passed.replace(prefix, "") == order["point"]:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.Signals[order["signal"]])

    return probe


def main() -> int:
    order = json.loads(sys.argv[1])
    replay.MAX_LETTERS = order["letters"]
    settings = KafkaSettings.model_validate(order["settings"])
    run = replay.Replay(
        settings,
        TopicAdmin(settings).describe(),
        repair=load_fix(Path(order["fix"])),
        probe=probe_of(order, settings.topic_prefix),
    )
    try:
        asyncio.run(run.run())
    except Fenced:
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
