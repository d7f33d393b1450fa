-- What people say of insights: 'dismissed', or 'rated' (useful or not), which is a label. Of each person's the newest
-- counts, and of an insight's the newest of all.
CREATE TABLE IF NOT EXISTS insight_marks {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    id String CODEC(ZSTD(1)),
    mark LowCardinality(String) CODEC(ZSTD(1)),
    by String CODEC(ZSTD(1)),
    useful Bool CODEC(ZSTD(1)),
    comment String CODEC(ZSTD(1)),
    at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree(at)
ORDER BY (project, id, mark, by)
TTL toDateTime(at) + toIntervalDay(1095)
SETTINGS non_replicated_deduplication_window = 1000;
