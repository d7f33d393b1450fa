"""Enrichment: from ``events.raw`` to ``events.enriched``, as one visible tuple of steps."""
