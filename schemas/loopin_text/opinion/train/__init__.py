"""Trains what ``loopin_text.opinion`` judges by: ``python -m loopin_text.opinion.train``."""
