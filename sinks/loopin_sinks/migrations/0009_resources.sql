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
