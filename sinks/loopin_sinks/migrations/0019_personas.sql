-- Kinds of users, as runs have found them. Clusters are JSON: persona, size, centroid, traits.
CREATE TABLE IF NOT EXISTS persona_runs {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    model_version String CODEC(ZSTD(1)),
    tried Array(UInt16) CODEC(ZSTD(1)),
    silhouettes Array(Float64) CODEC(ZSTD(1)),
    fitted_on UInt64 CODEC(ZSTD(1)),
    features Array(LowCardinality(String)) CODEC(ZSTD(1)),
    clusters String CODEC(ZSTD(3))
)
ENGINE = {{replicated}}ReplacingMergeTree
ORDER BY (project, at)
TTL toDateTime(at) + toIntervalDay(1095)
SETTINGS non_replicated_deduplication_window = 1000;

-- Which persona each user has, and since when: of a distinct_id the row with the greatest version counts, '' where
-- there were too few events of late. Each names the model that said so. 'previous' is the one before it, '' for none.
CREATE TABLE IF NOT EXISTS personas {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    distinct_id String CODEC(ZSTD(1)),
    persona LowCardinality(String) CODEC(ZSTD(1)),
    previous LowCardinality(String) CODEC(ZSTD(1)),
    since DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    model_version LowCardinality(String) CODEC(ZSTD(1)),
    distance Float64 CODEC(ZSTD(1)),
    other_distance Float64 CODEC(ZSTD(1)),
    version UInt64 CODEC(ZSTD(1)),
    user UInt64 MATERIALIZED cityHash64(distinct_id) CODEC(ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree(version)
ORDER BY (project, distinct_id)
TTL toDateTime(intDiv(version, 1000)) + toIntervalDay(1095)
SETTINGS non_replicated_deduplication_window = 1000;
