-- What users have done, and others to them, on days that are rolled up: how often, by measure, so that it can be told
-- of one user for longer than events are kept. An actor is who did it to them, 0 where they did it themselves. Of user
-- 0 the rows say which days there are: 'counted', and 'sessions', whose numbers are those of session_days. Of each row
-- the greatest version counts, of sessions the one that counts there.
CREATE TABLE IF NOT EXISTS user_measures {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    zone LowCardinality(String) CODEC(ZSTD(1)),
    user UInt64 CODEC(ZSTD(1)),
    measure LowCardinality(String) CODEC(ZSTD(1)),
    day Date CODEC(ZSTD(1)),
    actor UInt64 CODEC(ZSTD(1)),
    number Int64 CODEC(ZSTD(1)),
    version UInt64 CODEC(ZSTD(1)),
    _retention_days UInt16 CODEC(ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree(version)
PARTITION BY toYear(day)
ORDER BY (project, zone, user, measure, day, actor)
TTL day + toIntervalDay(_retention_days)
SETTINGS non_replicated_deduplication_window = 1000;
