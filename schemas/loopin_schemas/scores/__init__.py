"""Scores that are derived from metrics, each a pure function with its formula."""
