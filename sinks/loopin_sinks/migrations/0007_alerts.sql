-- Alerts: one row for each record of the topic, that is for each thing that happened to an alert. A record that
-- is read twice is stored twice and counts once: the row with the greatest revision, its offset, counts. Value,
-- threshold and expected range are in the metric's unit.
CREATE TABLE IF NOT EXISTS alerts {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    id String CODEC(ZSTD(1)),
    sequence UInt32 CODEC(ZSTD(1)),
    event LowCardinality(String) CODEC(ZSTD(1)),
    state LowCardinality(String) CODEC(ZSTD(1)),
    severity LowCardinality(String) CODEC(ZSTD(1)),
    rule LowCardinality(String) CODEC(ZSTD(1)),
    rule_version String CODEC(ZSTD(1)),
    metric LowCardinality(String) CODEC(ZSTD(1)),
    dimensions Map(String, String) CODEC(ZSTD(1)),
    value Nullable(Float64) CODEC(ZSTD(1)),
    threshold Nullable(Float64) CODEC(ZSTD(1)),
    expected_low Nullable(Float64) CODEC(ZSTD(1)),
    expected_high Nullable(Float64) CODEC(ZSTD(1)),
    count UInt64 CODEC(ZSTD(1)),
    window_grain LowCardinality(String) CODEC(ZSTD(1)),
    window_start DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    window_end DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    windows Array(String) CODEC(ZSTD(1)),
    message String CODEC(ZSTD(1)),
    labels Map(String, String) CODEC(ZSTD(1)),
    silenced Bool CODEC(ZSTD(1)),
    escalated Bool CODEC(ZSTD(1)),
    acknowledged_by String CODEC(ZSTD(1)),
    opened_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    fired_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    resolved_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    reason String CODEC(ZSTD(1)),
    revision UInt64 CODEC(ZSTD(1)),
    _stored_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree(revision)
ORDER BY (project, id, sequence)
TTL toDateTime(at) + toIntervalDay(1095)
SETTINGS non_replicated_deduplication_window = 1000;
