"""The server until SIGTERM: ``python -m tests.clickhouse --port 0 --folder DIR``; it prints its URL first."""

from __future__ import annotations

import argparse
import signal
import threading
from pathlib import Path

from tests.clickhouse.server import PASSWORD, USER, ClickHouseServer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.clickhouse", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="the engine's, made if it is missing")
    parser.add_argument("--port", type=int, default=0, help="0 for a free one")
    parser.add_argument("--user", default=USER)
    parser.add_argument("--password", default=PASSWORD)
    given = parser.parse_args()
    with ClickHouseServer(given.folder, given.port, given.user, given.password) as server:
        # shutdown waits for serve_forever, which runs in the thread that gets the signal.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
        print(server.url, flush=True)
        server.serve_forever(0.05)


if __name__ == "__main__":
    main()
