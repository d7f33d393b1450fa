"""Anomalies of users and sessions, as they are stored."""
