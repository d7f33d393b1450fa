-- What the enrichment finds out stands in where the client named nothing: a browser read from the user agent, a
-- city found by the address, and so on; and what PostHog's libraries call what the documents name. Rows that are
-- stored already keep what they have.
ALTER TABLE events {{on_cluster}} MODIFY COLUMN _typed Tuple(
        amount Nullable(String), currency String, rating Nullable(String), status Nullable(String),
        duration_ms Nullable(String), duration_s Nullable(String), load_ms Nullable(String), event_id
        String, community_id String, object_id String, content_type String, reason String, country String,
        region String, city String, device_type String, browser String, os String, platform String, url
        String, path String, referrer String, campaign_source String, campaign_medium String, campaign_name
        String, acquisition_channel String, `$is_bot` String, `$geoip_country_code` String,
        `$geoip_subdivision_1_name` String, `$geoip_city_name` String, `$device_type` String, `$browser`
        String, `$os` String, `$current_url` String, `$pathname` String, `$referrer` String, `utm_source`
        String, `utm_medium` String, `utm_campaign` String
    ) ALIAS JSONExtract(properties, '
        Tuple(amount Nullable(String), currency String, rating Nullable(String), status
        Nullable(String), duration_ms Nullable(String), duration_s Nullable(String), load_ms
        Nullable(String), event_id String, community_id String, object_id String, content_type String,
        reason String, country String, region String, city String, device_type String, browser String,
        os String, platform String, url String, path String, referrer String, campaign_source String,
        campaign_medium String, campaign_name String, acquisition_channel String, `$is_bot` String,
        `$geoip_country_code` String, `$geoip_subdivision_1_name` String, `$geoip_city_name` String,
        `$device_type` String, `$browser` String, `$os` String, `$current_url` String, `$pathname`
        String, `$referrer` String, `utm_source` String, `utm_medium` String, `utm_campaign` String)
    ');

ALTER TABLE events {{on_cluster}}
    ADD COLUMN IF NOT EXISTS is_bot Bool MATERIALIZED tupleElement(_typed, '$is_bot') = 'true' CODEC(ZSTD(1)),
    MODIFY COLUMN country LowCardinality(String) MATERIALIZED
        if(tupleElement(_typed, 'country') != '', tupleElement(_typed, 'country'), tupleElement(_typed, '$geoip_country_code'))
        CODEC(ZSTD(1)),
    MODIFY COLUMN region LowCardinality(String) MATERIALIZED
        if(tupleElement(_typed, 'region') != '', tupleElement(_typed, 'region'), tupleElement(_typed, '$geoip_subdivision_1_name'))
        CODEC(ZSTD(1)),
    MODIFY COLUMN city LowCardinality(String) MATERIALIZED
        if(tupleElement(_typed, 'city') != '', tupleElement(_typed, 'city'), tupleElement(_typed, '$geoip_city_name'))
        CODEC(ZSTD(1)),
    MODIFY COLUMN device_type LowCardinality(String) MATERIALIZED
        if(tupleElement(_typed, 'device_type') != '', tupleElement(_typed, 'device_type'), tupleElement(_typed, '$device_type'))
        CODEC(ZSTD(1)),
    MODIFY COLUMN browser LowCardinality(String) MATERIALIZED
        if(tupleElement(_typed, 'browser') != '', tupleElement(_typed, 'browser'), tupleElement(_typed, '$browser'))
        CODEC(ZSTD(1)),
    MODIFY COLUMN os LowCardinality(String) MATERIALIZED
        if(tupleElement(_typed, 'os') != '', tupleElement(_typed, 'os'), tupleElement(_typed, '$os'))
        CODEC(ZSTD(1)),
    MODIFY COLUMN url String MATERIALIZED
        if(tupleElement(_typed, 'url') != '', tupleElement(_typed, 'url'), tupleElement(_typed, '$current_url'))
        CODEC(ZSTD(1)),
    MODIFY COLUMN path String MATERIALIZED
        if(tupleElement(_typed, 'path') != '', tupleElement(_typed, 'path'), tupleElement(_typed, '$pathname'))
        CODEC(ZSTD(1)),
    MODIFY COLUMN referrer String MATERIALIZED
        if(tupleElement(_typed, 'referrer') != '', tupleElement(_typed, 'referrer'), tupleElement(_typed, '$referrer'))
        CODEC(ZSTD(1)),
    MODIFY COLUMN campaign_source LowCardinality(String) MATERIALIZED
        if(tupleElement(_typed, 'campaign_source') != '', tupleElement(_typed, 'campaign_source'), tupleElement(_typed, 'utm_source'))
        CODEC(ZSTD(1)),
    MODIFY COLUMN campaign_medium LowCardinality(String) MATERIALIZED
        if(tupleElement(_typed, 'campaign_medium') != '', tupleElement(_typed, 'campaign_medium'), tupleElement(_typed, 'utm_medium'))
        CODEC(ZSTD(1)),
    MODIFY COLUMN campaign_name LowCardinality(String) MATERIALIZED
        if(tupleElement(_typed, 'campaign_name') != '', tupleElement(_typed, 'campaign_name'), tupleElement(_typed, 'utm_campaign'))
        CODEC(ZSTD(1));
