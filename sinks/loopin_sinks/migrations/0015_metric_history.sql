-- Until when all that was stored of a project is in its kept values of a zone's days and a currency: the latest look
-- counts.
CREATE TABLE IF NOT EXISTS metric_looks {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    zone LowCardinality(String) CODEC(ZSTD(1)),
    currency LowCardinality(String) CODEC(ZSTD(1)),
    looked_at DateTime64(3, 'UTC') CODEC(ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree(looked_at)
ORDER BY (project, zone, currency)
SETTINGS non_replicated_deduplication_window = 1000;

-- Without which of a project's own people a value was calculated, '' for none.
ALTER TABLE metric_values {{on_cluster}} ADD COLUMN IF NOT EXISTS people LowCardinality(String) CODEC(ZSTD(1));

-- What became other in metric_values, and by which run of a task: known is 0 where nothing had been kept before.
CREATE TABLE IF NOT EXISTS metric_changes {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    run String CODEC(ZSTD(1)),
    metric LowCardinality(String) CODEC(ZSTD(1)),
    grain LowCardinality(String) CODEC(ZSTD(1)),
    start DateTime('UTC') CODEC(Delta, ZSTD(1)),
    until DateTime('UTC') CODEC(Delta, ZSTD(1)),
    known Bool CODEC(ZSTD(1)),
    before Nullable(Float64) CODEC(ZSTD(1)),
    after Nullable(Float64) CODEC(ZSTD(1)),
    at DateTime64(3, 'UTC') CODEC(ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree(at)
ORDER BY (project, run, metric, grain, start)
TTL toDateTime(at) + toIntervalDay(90)
SETTINGS non_replicated_deduplication_window = 1000;

-- Of how much a run has done how much, and when its process last said so.
ALTER TABLE task_runs {{on_cluster}} ADD COLUMN IF NOT EXISTS done UInt64 DEFAULT 0 CODEC(ZSTD(1));
ALTER TABLE task_runs {{on_cluster}} ADD COLUMN IF NOT EXISTS total UInt64 DEFAULT 0 CODEC(ZSTD(1));
ALTER TABLE task_runs {{on_cluster}} ADD COLUMN IF NOT EXISTS told_at DateTime64(3, 'UTC') DEFAULT asked_at CODEC(ZSTD(1));
-- Ids begin with the time, so that those of late lie together.
ALTER TABLE task_runs {{on_cluster}} ADD INDEX IF NOT EXISTS asked asked_at TYPE minmax GRANULARITY 1;
