"""Persons in the store: which distinct_ids they are, what is known of them, and how that came about."""
