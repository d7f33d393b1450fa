"""Which distinct_ids are one person: the third job of the stream worker."""
