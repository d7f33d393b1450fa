-- How items are ranked for users: weights of signals, learned by a run, and how good they were in the last week that
-- was over (precision at 10, beside popularity's over the same users and items; NULL where nobody took any).
CREATE TABLE IF NOT EXISTS recommendation_models {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    item_type LowCardinality(String) CODEC(ZSTD(1)),
    at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    model_version String CODEC(ZSTD(1)),
    signals Array(LowCardinality(String)) CODEC(ZSTD(1)),
    mean Array(Float64) CODEC(ZSTD(1)),
    weights Array(Float64) CODEC(ZSTD(1)),
    bias Float64 CODEC(ZSTD(1)),
    learned Bool CODEC(ZSTD(1)),
    precision Nullable(Float64) CODEC(ZSTD(1)),
    popularity Nullable(Float64) CODEC(ZSTD(1)),
    judged_users UInt64 CODEC(ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree
ORDER BY (project, item_type, at)
TTL toDateTime(at) + toIntervalDay(1095)
SETTINGS non_replicated_deduplication_window = 1000;

-- How much taking one community, or going to one host, speaks for another, 0 to 1, as a run found it.
CREATE TABLE IF NOT EXISTS item_neighbours {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    item_type LowCardinality(String) CODEC(ZSTD(1)),
    item String CODEC(ZSTD(1)),
    at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    neighbour String CODEC(ZSTD(1)),
    weight Float64 CODEC(ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree
ORDER BY (project, item_type, item, at, neighbour)
TTL toDateTime(at) + toIntervalDay(30)
SETTINGS non_replicated_deduplication_window = 1000;
