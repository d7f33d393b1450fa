-- One row for each enriched event. A row's identity is the record of events.enriched that it came from:
-- (_topic_id, _partition, _offset). Sorted for dashboards: a project's days, then events, then users.
CREATE TABLE IF NOT EXISTS events {{on_cluster}}
(
    project LowCardinality(String) CODEC(ZSTD(1)),
    uuid UUID CODEC(ZSTD(1)),
    event LowCardinality(String) CODEC(ZSTD(1)),
    distinct_id String CODEC(ZSTD(1)),
    timestamp DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    original_timestamp Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    sent_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    session_id String CODEC(ZSTD(1)),
    properties String CODEC(ZSTD(3)),
    source LowCardinality(String) CODEC(ZSTD(1)),
    parent_uuid Nullable(UUID) CODEC(ZSTD(1)),
    sentiment Nullable(Float64) CODEC(ZSTD(1)),
    sentiment_label LowCardinality(String) CODEC(ZSTD(1)),
    warnings Array(LowCardinality(String)) CODEC(ZSTD(1)),
    _raw_partition UInt32 CODEC(ZSTD(1)),
    _raw_offset Int64 CODEC(Delta, ZSTD(1)),
    _topic_id UUID CODEC(ZSTD(1)),
    _partition UInt32 CODEC(ZSTD(1)),
    _offset Int64 CODEC(Delta, ZSTD(1)),
    _stored_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    _retention_days UInt16 CODEC(ZSTD(1)),

    user UInt64 MATERIALIZED cityHash64(distinct_id) CODEC(ZSTD(1)),

    -- Parsed once for all the columns below: one JSONExtract for each costs three times as much per insert.
    -- Numbers come as text, because read as numbers true is 1, and "nan" as an Int32 is its least value.
    _typed Tuple(
        amount Nullable(String),
        currency String,
        rating Nullable(String),
        status Nullable(String),
        duration_ms Nullable(String),
        duration_s Nullable(String),
        load_ms Nullable(String),
        event_id String,
        community_id String,
        object_id String,
        content_type String,
        reason String,
        country String,
        region String,
        city String,
        device_type String,
        browser String,
        os String,
        platform String,
        url String,
        path String,
        referrer String,
        campaign_source String,
        campaign_medium String,
        campaign_name String,
        acquisition_channel String
    ) ALIAS JSONExtract(properties, '
        Tuple(amount Nullable(String), currency String, rating Nullable(String), status Nullable(String),
        duration_ms Nullable(String), duration_s Nullable(String), load_ms Nullable(String), event_id
        String, community_id String, object_id String, content_type String, reason String, country String,
        region String, city String, device_type String, browser String, os String, platform String, url
        String, path String, referrer String, campaign_source String, campaign_medium String, campaign_name
        String, acquisition_channel String)
    '),
    amount Nullable(Float64) MATERIALIZED
        if(isFinite(toFloat64OrNull(tupleElement(_typed, 'amount'))), toFloat64OrNull(tupleElement(_typed, 'amount')), NULL)
        CODEC(ZSTD(1)),
    currency LowCardinality(String) MATERIALIZED tupleElement(_typed, 'currency') CODEC(ZSTD(1)),
    rating Nullable(Float64) MATERIALIZED
        if(isFinite(toFloat64OrNull(tupleElement(_typed, 'rating'))), toFloat64OrNull(tupleElement(_typed, 'rating')), NULL)
        CODEC(ZSTD(1)),
    status Nullable(Int32) MATERIALIZED
        accurateCastOrNull(toFloat64OrNull(tupleElement(_typed, 'status')), 'Int32') CODEC(ZSTD(1)),
    duration_ms Nullable(Float64) MATERIALIZED
        if(isFinite(toFloat64OrNull(tupleElement(_typed, 'duration_ms'))), toFloat64OrNull(tupleElement(_typed, 'duration_ms')), NULL)
        CODEC(ZSTD(1)),
    duration_s Nullable(Float64) MATERIALIZED
        if(isFinite(toFloat64OrNull(tupleElement(_typed, 'duration_s'))), toFloat64OrNull(tupleElement(_typed, 'duration_s')), NULL)
        CODEC(ZSTD(1)),
    load_ms Nullable(Float64) MATERIALIZED
        if(isFinite(toFloat64OrNull(tupleElement(_typed, 'load_ms'))), toFloat64OrNull(tupleElement(_typed, 'load_ms')), NULL)
        CODEC(ZSTD(1)),
    event_id String MATERIALIZED tupleElement(_typed, 'event_id') CODEC(ZSTD(1)),
    community_id String MATERIALIZED tupleElement(_typed, 'community_id') CODEC(ZSTD(1)),
    object_id String MATERIALIZED tupleElement(_typed, 'object_id') CODEC(ZSTD(1)),
    content_type LowCardinality(String) MATERIALIZED tupleElement(_typed, 'content_type') CODEC(ZSTD(1)),
    reason LowCardinality(String) MATERIALIZED tupleElement(_typed, 'reason') CODEC(ZSTD(1)),
    country LowCardinality(String) MATERIALIZED tupleElement(_typed, 'country') CODEC(ZSTD(1)),
    region LowCardinality(String) MATERIALIZED tupleElement(_typed, 'region') CODEC(ZSTD(1)),
    city LowCardinality(String) MATERIALIZED tupleElement(_typed, 'city') CODEC(ZSTD(1)),
    device_type LowCardinality(String) MATERIALIZED tupleElement(_typed, 'device_type') CODEC(ZSTD(1)),
    browser LowCardinality(String) MATERIALIZED tupleElement(_typed, 'browser') CODEC(ZSTD(1)),
    os LowCardinality(String) MATERIALIZED tupleElement(_typed, 'os') CODEC(ZSTD(1)),
    platform LowCardinality(String) MATERIALIZED tupleElement(_typed, 'platform') CODEC(ZSTD(1)),
    url String MATERIALIZED tupleElement(_typed, 'url') CODEC(ZSTD(1)),
    path String MATERIALIZED tupleElement(_typed, 'path') CODEC(ZSTD(1)),
    referrer String MATERIALIZED tupleElement(_typed, 'referrer') CODEC(ZSTD(1)),
    campaign_source LowCardinality(String) MATERIALIZED tupleElement(_typed, 'campaign_source') CODEC(ZSTD(1)),
    campaign_medium LowCardinality(String) MATERIALIZED tupleElement(_typed, 'campaign_medium') CODEC(ZSTD(1)),
    campaign_name LowCardinality(String) MATERIALIZED tupleElement(_typed, 'campaign_name') CODEC(ZSTD(1)),
    acquisition_channel LowCardinality(String) MATERIALIZED tupleElement(_typed, 'acquisition_channel') CODEC(ZSTD(1)),

    -- "Which offsets of a partition from a to b are stored": recent ones lie in the newest parts only.
    INDEX stored_offsets (_partition, _offset) TYPE minmax GRANULARITY 1
)
ENGINE = {{replicated}}ReplacingMergeTree
PARTITION BY toYYYYMM(timestamp)
PRIMARY KEY (project, toDate(timestamp), event, user)
ORDER BY (project, toDate(timestamp), event, user, timestamp, cityHash64(uuid))
TTL toDateTime(timestamp) + toIntervalDay(_retention_days)
SETTINGS non_replicated_deduplication_window = 1000;
