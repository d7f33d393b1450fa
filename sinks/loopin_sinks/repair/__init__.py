"""Stored windows that events came too late for, recomputed from the stored events."""
