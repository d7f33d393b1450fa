"""Alerts in the store: their records, rules that only it can judge, and when a rule would have fired."""
