-- Lineage of a repaired event: the record that had failed, as topic_id:partition:offset, or '' for the others.
ALTER TABLE events {{on_cluster}} ADD COLUMN IF NOT EXISTS _origin String CODEC(ZSTD(1)) AFTER _raw_offset;
