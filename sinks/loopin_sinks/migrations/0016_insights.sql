-- Insights: of an id the row with the greatest version counts; one that is withdrawn was found and no longer holds.
CREATE TABLE IF NOT EXISTS insights {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    id String CODEC(ZSTD(1)),
    insight_type LowCardinality(String) CODEC(ZSTD(1)),
    target_type LowCardinality(String) CODEC(ZSTD(1)),
    target_id String CODEC(ZSTD(1)),
    title String CODEC(ZSTD(1)),
    description String CODEC(ZSTD(1)),
    confidence_score Float64 CODEC(ZSTD(1)),
    is_actionable Bool CODEC(ZSTD(1)),
    suggested_actions Array(String) CODEC(ZSTD(1)),
    priority LowCardinality(String) CODEC(ZSTD(1)),
    evidence String CODEC(ZSTD(1)),
    created_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    expires_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    withdrawn Bool CODEC(ZSTD(1)),
    version UInt64 CODEC(ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree(version)
ORDER BY (project, id)
TTL toDateTime(created_at) + toIntervalDay(1095)
SETTINGS non_replicated_deduplication_window = 1000;
