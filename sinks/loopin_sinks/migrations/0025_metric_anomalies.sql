-- Periods of metrics that were far from what is usual at their time of the week: value, what was expected, between which
-- values nothing would be said, and the score in robust standard deviations. Of a period the greatest revision counts; one
-- that is withdrawn was found and no longer holds.
CREATE TABLE IF NOT EXISTS metric_anomalies {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    metric LowCardinality(String) CODEC(ZSTD(1)),
    grain LowCardinality(String) CODEC(ZSTD(1)),
    start DateTime('UTC') CODEC(Delta, ZSTD(1)),
    value Float64 CODEC(ZSTD(1)),
    expected Float64 CODEC(ZSTD(1)),
    low Float64 CODEC(ZSTD(1)),
    high Float64 CODEC(ZSTD(1)),
    score Float64 CODEC(ZSTD(1)),
    confidence Float64 CODEC(ZSTD(1)),
    compared UInt32 CODEC(ZSTD(1)),
    calculated_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    found_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    withdrawn Bool CODEC(ZSTD(1)),
    revision UInt64 CODEC(ZSTD(1)),
    _retention_days UInt16 CODEC(ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree(revision)
ORDER BY (project, metric, grain, start)
TTL start + toIntervalDay(_retention_days)
SETTINGS non_replicated_deduplication_window = 1000;
