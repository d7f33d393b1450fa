-- In which zone's days, which money and by which rates a value was calculated, the latter two '' for metrics that have
-- nothing to do with money: a project's may change. Values from before have no zone; they are in that of the settings.
ALTER TABLE metric_values {{on_cluster}}
    ADD COLUMN IF NOT EXISTS zone LowCardinality(String) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS currency LowCardinality(String) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS rates LowCardinality(String) CODEC(ZSTD(1)),
    MODIFY ORDER BY (project, metric, grain, start, zone, currency);
