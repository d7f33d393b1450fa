-- Who was active on which day of the project's zone, by place and device: a row says that there was such an event.
-- Rows are by user, not by person: a merge later on changes none of them. Kept longer than the events.
CREATE TABLE IF NOT EXISTS person_days {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    zone LowCardinality(String) CODEC(ZSTD(1)),
    day Date CODEC(ZSTD(1)),
    user UInt64 CODEC(ZSTD(1)),
    is_bot Bool CODEC(ZSTD(1)),
    country LowCardinality(String) CODEC(ZSTD(1)),
    region LowCardinality(String) CODEC(ZSTD(1)),
    city LowCardinality(String) CODEC(ZSTD(1)),
    device_type LowCardinality(String) CODEC(ZSTD(1)),
    browser LowCardinality(String) CODEC(ZSTD(1)),
    os LowCardinality(String) CODEC(ZSTD(1)),
    platform LowCardinality(String) CODEC(ZSTD(1)),
    campaign_source LowCardinality(String) CODEC(ZSTD(1)),
    events UInt64 CODEC(ZSTD(1)),
    first DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    last DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    version UInt64 CODEC(ZSTD(1)),
    _retention_days UInt16 CODEC(ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree(version)
PARTITION BY toYYYYMM(day)
PRIMARY KEY (project, zone, day, user)
ORDER BY (
    project, zone, day, user, is_bot, country, region, city, device_type, browser, os, platform, campaign_source
)
TTL day + toIntervalDay(_retention_days)
SETTINGS non_replicated_deduplication_window = 1000;

-- When a user who is no bot was first active, of all days that have been rolled up.
CREATE TABLE IF NOT EXISTS user_firsts {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    user UInt64 CODEC(ZSTD(1)),
    first SimpleAggregateFunction(min, DateTime64(3, 'UTC')) CODEC(ZSTD(1))
)
ENGINE = {{replicated}}AggregatingMergeTree
ORDER BY (project, user)
SETTINGS non_replicated_deduplication_window = 1000;

-- Which days are rolled up, and from which events: of each the greatest version counts. A day whose newest event
-- was stored after `stored` has events that its rollups lack.
CREATE TABLE IF NOT EXISTS rolled_days {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    zone LowCardinality(String) CODEC(ZSTD(1)),
    day Date CODEC(ZSTD(1)),
    events UInt64 CODEC(ZSTD(1)),
    newest_received DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    stored DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    digest UInt64 CODEC(ZSTD(1)),
    version UInt64 CODEC(ZSTD(1)),
    _retention_days UInt16 CODEC(ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree(version)
ORDER BY (project, zone, day)
TTL day + toIntervalDay(_retention_days)
SETTINGS non_replicated_deduplication_window = 1000;

-- Up to when all that was stored has been looked at: what came later may lack in the rollups.
CREATE TABLE IF NOT EXISTS rollup_looks {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    zone LowCardinality(String) CODEC(ZSTD(1)),
    looked_at DateTime64(3, 'UTC') CODEC(ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree(looked_at)
ORDER BY (project, zone)
SETTINGS non_replicated_deduplication_window = 1000;

-- Sessions that began on a day, by user; user 0 has those of all, and the versions of the three days from the one
-- before to the one after that they were made of. Of a day the greatest version that has a user 0 counts.
CREATE TABLE IF NOT EXISTS session_days {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    zone LowCardinality(String) CODEC(ZSTD(1)),
    day Date CODEC(ZSTD(1)),
    user UInt64 CODEC(ZSTD(1)),
    sessions UInt64 CODEC(ZSTD(1)),
    viewed UInt64 CODEC(ZSTD(1)),
    bounced UInt64 CODEC(ZSTD(1)),
    crashed UInt64 CODEC(ZSTD(1)),
    length_ms Int64 CODEC(ZSTD(1)),
    made_of Array(UInt64) CODEC(ZSTD(1)),
    version UInt64 CODEC(ZSTD(1)),
    _retention_days UInt16 CODEC(ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (project, zone, day, version, user)
TTL day + toIntervalDay(_retention_days)
SETTINGS non_replicated_deduplication_window = 1000;
