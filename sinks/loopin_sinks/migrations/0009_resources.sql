-- What errors are grouped and filtered by. Only their properties are parsed for it, not those of other events.
ALTER TABLE events {{on_cluster}}
    ADD COLUMN IF NOT EXISTS error_fingerprint String MATERIALIZED
        if(event IN ('error_logged', '$exception'), JSONExtractString(properties, '$exception_fingerprint'), '')
        CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS error_level LowCardinality(String) MATERIALIZED
        if(event IN ('error_logged', '$exception'),
            transform(
                lower(JSONExtractString(properties, if(event = '$exception', '$exception_level', 'level'))),
                ['debug', 'log', 'info', 'warn', 'warning', 'error', 'fatal', 'critical'],
                ['debug', 'info', 'info', 'warning', 'warning', 'error', 'critical', 'critical'],
                'error'
            ),
            '')
        CODEC(ZSTD(1));

-- Every change of what is configured, one row a record of the topic config: what the item is since, or '' where it was
-- removed. Bodies of keys are left out.
CREATE TABLE IF NOT EXISTS config_history {{on_cluster}}
(
    kind LowCardinality(String) CODEC(ZSTD(1)),
    id String CODEC(ZSTD(1)),
    version String CODEC(ZSTD(1)),
    by String CODEC(ZSTD(1)),
    at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    removed Bool CODEC(ZSTD(1)),
    body String CODEC(ZSTD(3)),
    _topic_id UUID CODEC(ZSTD(1)),
    _offset Int64 CODEC(Delta, ZSTD(1)),
    _stored_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = {{replicated}}ReplacingMergeTree
ORDER BY (kind, id, at, _topic_id, _offset)
TTL toDateTime(at) + toIntervalDay(1095)
SETTINGS non_replicated_deduplication_window = 1000;
