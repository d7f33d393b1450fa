"""Periods of metrics that are far from what is usual at their time of the week."""
