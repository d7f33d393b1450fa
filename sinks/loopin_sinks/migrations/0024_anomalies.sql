-- What is odd about users and sessions: one row for each record of the topic. A user has at most one of a kind at a
-- time; a record that is read twice is stored twice and counts once. `_raw_partition` and `_raw_offset` name the event
-- that raised it, as those of the table events do. Features are strongest first: names, values, what is usual (NULL
-- where there is no such thing), and each one's share of the oddness.
CREATE TABLE IF NOT EXISTS anomalies {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    kind LowCardinality(String) CODEC(ZSTD(1)),
    distinct_id String CODEC(ZSTD(1)),
    at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    since DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    score Float64 CODEC(ZSTD(1)),
    threshold Float64 CODEC(ZSTD(1)),
    feature_names Array(LowCardinality(String)) CODEC(ZSTD(1)),
    feature_values Array(Float64) CODEC(ZSTD(1)),
    feature_usual Array(Nullable(Float64)) CODEC(ZSTD(1)),
    feature_weights Array(Float64) CODEC(ZSTD(1)),
    detector LowCardinality(String) CODEC(ZSTD(1)),
    event_name LowCardinality(String) CODEC(ZSTD(1)),
    _raw_partition UInt32 CODEC(ZSTD(1)),
    _raw_offset Int64 CODEC(Delta, ZSTD(1)),
    revision UInt64 CODEC(ZSTD(1)),
    _stored_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree(revision)
ORDER BY (project, at, kind, distinct_id)
TTL toDateTime(at) + toIntervalDay(1095)
SETTINGS non_replicated_deduplication_window = 1000;
