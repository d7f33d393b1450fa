"""The metrics of the catalogue, computed from the stored events."""
