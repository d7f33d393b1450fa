-- Which person a distinct_id is of: the row with the greatest revision counts. A person is named by one of its
-- distinct_ids; a distinct_id without a row is a person by itself.
CREATE TABLE IF NOT EXISTS person_distinct_ids {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    distinct_id String CODEC(ZSTD(1)),
    person String CODEC(ZSTD(1)),
    revision UInt64 CODEC(ZSTD(1)),
    _stored_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    -- As in the table events, which queries join by number.
    user UInt64 MATERIALIZED cityHash64(distinct_id) CODEC(ZSTD(1)),
    person_user UInt64 MATERIALIZED cityHash64(person) CODEC(ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree(revision)
ORDER BY (project, distinct_id)
SETTINGS non_replicated_deduplication_window = 1000;

-- The journal: what became of each request to make two persons one. The row with the greatest revision counts,
-- which is that of the unmerge where a merge was taken back.
CREATE TABLE IF NOT EXISTS person_merges {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    id UUID CODEC(ZSTD(1)),
    kind LowCardinality(String) CODEC(ZSTD(1)),
    outcome LowCardinality(String) CODEC(ZSTD(1)),
    reason LowCardinality(String) CODEC(ZSTD(1)),
    distinct_id String CODEC(ZSTD(1)),
    other String CODEC(ZSTD(1)),
    person String CODEC(ZSTD(1)),
    moved Array(String) CODEC(ZSTD(1)),
    kept Array(String) CODEC(ZSTD(1)),
    event_uuid Nullable(UUID) CODEC(ZSTD(1)),
    event_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    decided_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    revision UInt64 CODEC(ZSTD(1)),
    _stored_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree(revision)
ORDER BY (project, id)
SETTINGS non_replicated_deduplication_window = 1000;

-- What events have set of a person, by distinct_id: of each property the last $set or $unset, and the first
-- $set_once, by event time. The row with the greatest rank counts. A value is JSON, '' where it was unset.
CREATE TABLE IF NOT EXISTS person_properties {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    distinct_id String CODEC(ZSTD(1)),
    property LowCardinality(String) CODEC(ZSTD(1)),
    register LowCardinality(String) CODEC(ZSTD(1)),
    value String CODEC(ZSTD(1)),
    at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    rank UInt64 CODEC(ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree(rank)
ORDER BY (project, distinct_id, property, register)
SETTINGS non_replicated_deduplication_window = 1000;

-- The same of groups, by their type and key.
CREATE TABLE IF NOT EXISTS group_properties {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    group_type LowCardinality(String) CODEC(ZSTD(1)),
    group_key String CODEC(ZSTD(1)),
    property LowCardinality(String) CODEC(ZSTD(1)),
    value String CODEC(ZSTD(1)),
    at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    rank UInt64 CODEC(ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree(rank)
ORDER BY (project, group_type, group_key, property)
SETTINGS non_replicated_deduplication_window = 1000;

-- The newest profile of each distinct_id that the topic holds, some time later: the row with the greatest
-- revision counts. Money by currency ('' where none was named), as exact decimals.
CREATE TABLE IF NOT EXISTS profiles {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    distinct_id String CODEC(ZSTD(1)),
    first_seen DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    last_seen DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    events UInt64 CODEC(ZSTD(1)),
    sessions UInt64 CODEC(ZSTD(1)),
    session_started DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    session_last DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    session_events UInt64 CODEC(ZSTD(1)),
    currencies Array(LowCardinality(String)) CODEC(ZSTD(1)),
    revenues Array(Decimal(38, 6)) CODEC(ZSTD(1)),
    active_days Array(Date) CODEC(ZSTD(1)),
    revision UInt64 CODEC(ZSTD(1)),
    _topic_id UUID CODEC(ZSTD(1)),
    _stored_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    user UInt64 MATERIALIZED cityHash64(distinct_id) CODEC(ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree(revision)
ORDER BY (project, distinct_id)
SETTINGS non_replicated_deduplication_window = 1000;

-- Which days got events of late: those are stored in the newest parts only.
ALTER TABLE events {{on_cluster}} ADD INDEX IF NOT EXISTS stored_at _stored_at TYPE minmax GRANULARITY 1;
