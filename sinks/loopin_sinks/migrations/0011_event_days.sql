-- What is counted and added up of a day's events: a measure is how many there were, a mean's parts, or revenue by
-- currency (as asked or "other"). Twice: of a day as a whole, and by place and device. User 0 stands for all; the
-- project's own people have rows of their own beside, so that they can be left out. Of a day the version that
-- rolled_days notes counts. Kept longer than the events.
CREATE TABLE IF NOT EXISTS event_days {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    zone LowCardinality(String) CODEC(ZSTD(1)),
    by_place Bool CODEC(ZSTD(1)),
    event LowCardinality(String) CODEC(ZSTD(1)),
    measure LowCardinality(String) CODEC(ZSTD(1)),
    day Date CODEC(ZSTD(1)),
    version UInt64 CODEC(ZSTD(1)),
    share UInt16 CODEC(ZSTD(1)),
    user UInt64 CODEC(ZSTD(1)),
    is_bot Bool CODEC(ZSTD(1)),
    currency LowCardinality(String) CODEC(ZSTD(1)),
    country LowCardinality(String) CODEC(ZSTD(1)),
    region LowCardinality(String) CODEC(ZSTD(1)),
    city LowCardinality(String) CODEC(ZSTD(1)),
    device_type LowCardinality(String) CODEC(ZSTD(1)),
    browser LowCardinality(String) CODEC(ZSTD(1)),
    os LowCardinality(String) CODEC(ZSTD(1)),
    platform LowCardinality(String) CODEC(ZSTD(1)),
    campaign_source LowCardinality(String) CODEC(ZSTD(1)),
    number UInt64 CODEC(ZSTD(1)),
    total Float64 CODEC(ZSTD(1)),
    millionths Int128 CODEC(ZSTD(1)),
    _retention_days UInt16 CODEC(ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree
PARTITION BY toYYYYMM(day)
PRIMARY KEY (project, zone, by_place, event, measure, day)
ORDER BY (
    project, zone, by_place, event, measure, day, version, share, user, is_bot, currency, country, region, city,
    device_type, browser, os, platform, campaign_source
)
TTL day + toIntervalDay(_retention_days)
SETTINGS non_replicated_deduplication_window = 1000;

-- When a user who is no bot first and last had an event of a name, of all days that have been rolled up; '' stands
-- for any that makes a user active. A row is true whatever else is rolled up.
CREATE TABLE IF NOT EXISTS user_events {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    event LowCardinality(String) CODEC(ZSTD(1)),
    user UInt64 CODEC(ZSTD(1)),
    first SimpleAggregateFunction(min, DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    last SimpleAggregateFunction(max, DateTime64(3, 'UTC')) CODEC(ZSTD(1))
)
ENGINE = {{replicated}}AggregatingMergeTree
ORDER BY (project, event, user)
SETTINGS non_replicated_deduplication_window = 1000;

-- It takes the place of user_firsts, of whose users the events may be gone.
INSERT INTO user_events SELECT project, '', user, first, first FROM user_firsts;

INSERT INTO user_events SELECT project, '', user, first, last FROM person_days WHERE NOT is_bot;

-- Which sessions had events on the days last rolled up: no others can go on today.
CREATE TABLE IF NOT EXISTS open_sessions {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    zone LowCardinality(String) CODEC(ZSTD(1)),
    day Date CODEC(ZSTD(1)),
    version UInt64 CODEC(ZSTD(1)),
    user UInt64 CODEC(ZSTD(1)),
    session UInt64 CODEC(ZSTD(1)),
    _retention_days UInt16 CODEC(ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree
ORDER BY (project, zone, day, version, user, session)
TTL day + toIntervalDay(_retention_days)
SETTINGS non_replicated_deduplication_window = 1000;

-- What a day's rollups tell: days that were rolled up by an earlier release lack it all. And for how many days all
-- of its events were to be kept, 0 for nobody knows: after that it must not be rolled up from what is left.
ALTER TABLE rolled_days {{on_cluster}}
    ADD COLUMN IF NOT EXISTS measures Array(LowCardinality(String)) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS events_kept UInt16 CODEC(ZSTD(1));

-- The first day whose events had all been kept: what is left of earlier ones must not be rolled up.
ALTER TABLE rollup_looks {{on_cluster}} ADD COLUMN IF NOT EXISTS covered Date CODEC(ZSTD(1));
