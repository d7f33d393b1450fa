"""Scores derived from several numbers, each a pure function with its formula."""
