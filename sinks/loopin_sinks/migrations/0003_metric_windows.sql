-- Windows of metrics over all partitions: the row with the greatest revision counts. A repair's revision
-- outranks the stream's. Sums, least and greatest values are exact decimals.
CREATE TABLE IF NOT EXISTS metric_windows {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    metric LowCardinality(String) CODEC(ZSTD(1)),
    dimension LowCardinality(String) CODEC(ZSTD(1)),
    dimension_value String CODEC(ZSTD(1)),
    grain LowCardinality(String) CODEC(ZSTD(1)),
    start DateTime('UTC') CODEC(Delta, ZSTD(1)),
    count UInt64 CODEC(ZSTD(1)),
    sum Nullable(Decimal(38, 6)) CODEC(ZSTD(1)),
    min Nullable(Decimal(38, 6)) CODEC(ZSTD(1)),
    max Nullable(Decimal(38, 6)) CODEC(ZSTD(1)),
    closed Bool CODEC(ZSTD(1)),
    basis LowCardinality(String) CODEC(ZSTD(1)),
    revision UInt64 CODEC(ZSTD(1)),
    _stored_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    _retention_days UInt16 CODEC(ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(start)
ORDER BY (project, metric, grain, dimension, start, dimension_value)
TTL start + toIntervalDay(_retention_days)
SETTINGS non_replicated_deduplication_window = 1000;

-- Windows to recompute from the events, because some came too late for the stream: the row with the greatest
-- version counts. A request's version is even, that of its repair the next odd number.
CREATE TABLE IF NOT EXISTS window_repairs {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    grain LowCardinality(String) CODEC(ZSTD(1)),
    start DateTime('UTC') CODEC(Delta, ZSTD(1)),
    outcome LowCardinality(String) CODEC(ZSTD(1)),
    version UInt64 CODEC(ZSTD(1)),
    _stored_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree(version)
ORDER BY (grain, project, start)
TTL toDateTime(_stored_at) + toIntervalDay(30)
SETTINGS non_replicated_deduplication_window = 1000;

-- The longest window that an event came too late for: minute, hour or day; '' where it was in time.
ALTER TABLE events {{on_cluster}} ADD COLUMN IF NOT EXISTS late LowCardinality(String) CODEC(ZSTD(1)) AFTER warnings;
