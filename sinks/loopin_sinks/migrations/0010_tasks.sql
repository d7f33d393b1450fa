-- Runs of tasks: the row with the greatest version counts, which is that of the run's last state. Without
-- scheduled_for, somebody asked for it.
CREATE TABLE IF NOT EXISTS task_runs {{on_cluster}}
(
    id String CODEC(ZSTD(1)),
    schedule LowCardinality(String) CODEC(ZSTD(1)),
    task LowCardinality(String) CODEC(ZSTD(1)),
    arguments String CODEC(ZSTD(1)),
    by String CODEC(ZSTD(1)),
    scheduled_for Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    asked_at DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    started_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    ended_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    state LowCardinality(String) CODEC(ZSTD(1)),
    rows UInt64 CODEC(ZSTD(1)),
    error String CODEC(ZSTD(1)),
    version UInt8 CODEC(ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree(version)
ORDER BY (schedule, id)
TTL toDateTime(asked_at) + toIntervalDay(90)
SETTINGS non_replicated_deduplication_window = 1000;

-- What metrics came to, kept for longer than the events that they were computed from: the row that was calculated
-- last counts. A null says that there was no value then.
CREATE TABLE IF NOT EXISTS metric_values {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    metric LowCardinality(String) CODEC(ZSTD(1)),
    grain LowCardinality(String) CODEC(ZSTD(1)),
    start DateTime('UTC') CODEC(Delta, ZSTD(1)),
    value Nullable(Float64) CODEC(ZSTD(1)),
    calculated_at DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    _retention_days UInt16 CODEC(ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree(calculated_at)
PARTITION BY toYear(start)
ORDER BY (project, metric, grain, start)
TTL start + toIntervalDay(_retention_days)
SETTINGS non_replicated_deduplication_window = 1000;
