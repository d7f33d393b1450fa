"""Tells people and services of alerts: from the topic ``alerts`` to the channels of a file."""
