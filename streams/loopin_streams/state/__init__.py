"""Keyed state: what the enrichment knows of each user, by raw partition."""
