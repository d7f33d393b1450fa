-- What was expected of metrics: each forecast that was made, so that it can be compared with what came. Money is in
-- the currency, days begin in the zone; ends of intervals are null where nothing told them.
CREATE TABLE IF NOT EXISTS forecasts {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    metric LowCardinality(String) CODEC(ZSTD(1)),
    zone LowCardinality(String) CODEC(ZSTD(1)),
    currency LowCardinality(String) CODEC(ZSTD(1)),
    made_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    day DateTime('UTC') CODEC(Delta, ZSTD(1)),
    value Float64 CODEC(ZSTD(1)),
    low_80 Nullable(Float64) CODEC(ZSTD(1)),
    high_80 Nullable(Float64) CODEC(ZSTD(1)),
    low_95 Nullable(Float64) CODEC(ZSTD(1)),
    high_95 Nullable(Float64) CODEC(ZSTD(1)),
    method LowCardinality(String) CODEC(ZSTD(1)),
    model LowCardinality(String) CODEC(ZSTD(1)),
    model_version LowCardinality(String) CODEC(ZSTD(1)),
    mase Nullable(Float64) CODEC(ZSTD(1)),
    _retention_days UInt16 CODEC(ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree()
ORDER BY (project, metric, made_at, zone, currency, day)
TTL toDateTime(made_at) + toIntervalDay(_retention_days)
SETTINGS non_replicated_deduplication_window = 1000;

-- The same as a whole, as it is answered: with its history, its back-test, and what the series is made of.
CREATE TABLE IF NOT EXISTS forecast_runs {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    metric LowCardinality(String) CODEC(ZSTD(1)),
    zone LowCardinality(String) CODEC(ZSTD(1)),
    currency LowCardinality(String) CODEC(ZSTD(1)),
    made_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    body String CODEC(ZSTD(3))
)
ENGINE = {{replicated}}ReplacingMergeTree()
ORDER BY (project, metric, made_at, zone, currency)
TTL toDateTime(made_at) + toIntervalDay(90)
SETTINGS non_replicated_deduplication_window = 1000;
