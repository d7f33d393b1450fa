-- What a user is used to, as the stream has counted it. Counts of events by hour (of the day, in time_zone), weekday
-- (from Monday), name, category and community fade: what happened before habits_from weighs half, and half of that for
-- each 28 days before. Prices are those of tickets ('bought') and of platform events looked at ('viewed'). Sessions
-- are those since habits are counted. Events and active days a day are over half-lives of 10 and of 25 days, and as
-- all scores as of analysed_at.
ALTER TABLE profiles {{on_cluster}}
    ADD COLUMN IF NOT EXISTS time_zone LowCardinality(String) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS habits_from Date32 CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS hours Array(Float64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS weekdays Array(Float64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS actions Array(LowCardinality(String)) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS action_counts Array(Float64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS event_types Array(LowCardinality(String)) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS event_type_counts Array(Float64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS communities Array(String) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS community_counts Array(Float64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS price_kinds Array(LowCardinality(String)) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS price_currencies Array(LowCardinality(String)) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS least_prices Array(Decimal(38, 6)) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS greatest_prices Array(Decimal(38, 6)) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS price_numbers Array(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS price_totals Array(Decimal(38, 6)) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS payment_failures UInt32 CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS habit_sessions UInt64 CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS habit_sessions_ms UInt64 CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS habit_sessions_events UInt64 CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS events_a_day Array(Float64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS days_a_day Array(Float64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS friendly Float64 CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS unfriendly Float64 CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS engagement_score Float64 CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS engagement_trend LowCardinality(String) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS analysed_at DateTime64(3, 'UTC') CODEC(ZSTD(1));
