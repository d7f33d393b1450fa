-- Which migrations this store has had, and the SHA-256 of each as it was applied.
CREATE TABLE IF NOT EXISTS schema_migrations {{on_cluster}}
(
    name String,
    checksum FixedString(64),
    applied_at DateTime64(3, 'UTC')
)
ENGINE = {{replicated}}MergeTree
ORDER BY name;
