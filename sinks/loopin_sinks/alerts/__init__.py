"""Alerts in the store: their records, and when a rule would have fired."""
