-- Where events come from, in degrees, and how far that may be off, in km: the city's, by the address, or what the
-- client says. Only events that have a place are parsed for it.
ALTER TABLE events {{on_cluster}}
    ADD COLUMN IF NOT EXISTS latitude Nullable(Float64) MATERIALIZED
        if(position(properties, '"$geoip_latitude"') > 0,
            JSONExtract(properties, '$geoip_latitude', 'Nullable(Float64)'), NULL)
        CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS longitude Nullable(Float64) MATERIALIZED
        if(position(properties, '"$geoip_longitude"') > 0,
            JSONExtract(properties, '$geoip_longitude', 'Nullable(Float64)'), NULL)
        CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS accuracy_km Nullable(Float64) MATERIALIZED
        if(position(properties, '"$geoip_accuracy_radius"') > 0,
            JSONExtract(properties, '$geoip_accuracy_radius', 'Nullable(Float64)'), NULL)
        CODEC(ZSTD(1));
