-- What all methods together say of an event's text, after the stream's VADER: of a uuid the row with the greatest
-- version counts. A text in a language that nobody knows has '' and NULL.
CREATE TABLE IF NOT EXISTS event_opinions {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    uuid UUID CODEC(ZSTD(1)),
    timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    sentiment LowCardinality(String) CODEC(ZSTD(1)),
    score Nullable(Float64) CODEC(ZSTD(1)),
    confidence Nullable(Float64) CODEC(ZSTD(1)),
    intensity Nullable(UInt8) CODEC(ZSTD(1)),
    emotions Array(LowCardinality(String)) CODEC(ZSTD(1)),
    language LowCardinality(String) CODEC(ZSTD(1)),
    method LowCardinality(String) CODEC(ZSTD(1)),
    judged_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    version UInt64 CODEC(ZSTD(1)),
    _retention_days UInt16 CODEC(ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree(version)
PARTITION BY toYYYYMM(timestamp)
ORDER BY (project, toDate(timestamp), uuid)
TTL toDateTime(timestamp) + toIntervalDay(_retention_days)
SETTINGS non_replicated_deduplication_window = 1000;
