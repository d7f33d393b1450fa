"""What a store holds after J2, as JSON: ``python -m tests.bench.stored FOLDER LAST_MS``.

A process of its own, because one process opens one embedded store in its life.
"""

from __future__ import annotations

import sys
from typing import Any

import clickhouse_connect
import msgspec
from clickhouse_connect.driver.client import Client

ROWS = """
SELECT event, count(), uniqExact(distinct_id), sum(ifNull(amount, 0)), sum(ifNull(sentiment, 0))
FROM events WHERE distinct_id != 'closer' GROUP BY event
"""

PEERS = """
SELECT dimension, value, start, count, revenue, scored, mood, users
FROM bench_windows FINAL WHERE start <= {last:Int64}
"""

OURS = """
SELECT
    dimension, dimension_value, toUnixTimestamp(start) * 1000 AS start_ms,
    sumIf(count, metric = 'events'),
    toFloat64(sumIf(ifNull(sum, 0), metric = 'revenue')),
    sumIf(count, metric = 'sentiment'),
    toFloat64(sumIf(ifNull(sum, 0), metric = 'sentiment')),
    sumIf(count, metric = 'active_users')
FROM metric_windows FINAL
WHERE grain = 'minute' AND dimension IN ('event', 'country') AND start_ms <= {last:Int64}
GROUP BY dimension, dimension_value, start_ms
"""

LATE = "SELECT count() FROM events WHERE distinct_id != 'closer' AND late != ''"
"""Events that no stream counted, because their windows had gone."""


def main(folder: str, last_ms: str) -> None:
    client = clickhouse_connect.get_client(interface="chdb", path=folder)
    peers = "bench_windows" in _column(client, "SHOW TABLES")
    windows = client.query(PEERS if peers else OURS, {"last": int(last_ms)}).result_rows
    late = [] if peers else client.query(LATE).result_rows
    found: dict[str, Any] = {"rows": client.query(ROWS).result_rows, "windows": windows, "late": late}
    sys.stdout.write(msgspec.json.encode(found).decode())


def _column(client: Client, sql: str) -> list[str]:
    return [str(row[0]) for row in client.query(sql).result_rows]


if __name__ == "__main__":
    main(*sys.argv[1:])
