-- How many inserts back the engine knows a token again: an insert that arrives late, from a sink whose partition
-- another one has taken over, must add nothing. 100,000 of them take about 22 MB of memory and 7 MB of disk.
-- Only here: in the other tables the same rows twice are replaced by their revision or version.
ALTER TABLE events {{on_cluster}} MODIFY SETTING
    non_replicated_deduplication_window = 100000,
    replicated_deduplication_window = 100000,
    replicated_deduplication_window_seconds = 604800;
