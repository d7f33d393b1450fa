-- What is predicted of a user, by target: the probability, when it was computed, by which version of the model (0: the
-- heuristic), and the strongest reasons by their numbers. And the platform events joined whose time is to come, with
-- the probability that the user comes, and the version that says so.
ALTER TABLE profiles {{on_cluster}}
    ADD COLUMN IF NOT EXISTS score_targets Array(LowCardinality(String)) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS score_chances Array(Float64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS score_times Array(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS score_versions Array(UInt32) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS score_reasons Array(Array(Int16)) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS rsvp_events Array(String) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS rsvp_times Array(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS rsvp_chances Array(Float64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS rsvp_versions Array(UInt32) CODEC(ZSTD(1));
